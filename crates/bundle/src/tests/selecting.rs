#![allow(clippy::unwrap_used)]

use fs_err as fs;

use crate::testing::{contents, small};
use crate::{Artifact, Bundle, BundleError, Comparison};

fn no_kubelet(artifact: &Artifact) -> bool {
    artifact.name != "kubelet"
}

#[test]
fn a_part_becomes_a_folder_or_a_file_of_the_same_digest() {
    let (folder, bundle) = small();
    let before = fs::read(bundle.root().join("manifest.json")).unwrap();
    let selection = bundle.selection(no_kubelet).unwrap();
    let copied = selection.copy(&folder.path().join("part"), None, &|_| {}).unwrap();
    selection.pack(&folder.path().join("part.barque"), None, &|_| {}).unwrap();
    let packed = Bundle::open(folder.path().join("part.barque")).unwrap();
    assert_eq!((copied.digest(), packed.digest()), (selection.digest(), selection.digest()));
    assert_eq!(contents(&copied), contents(&packed));
    assert!(copied.verify_files(&|_| {}).unwrap().faults.is_empty());
    assert_eq!(fs::read_dir(copied.root().join("blobs")).unwrap().count(), 1, "two artifacts of one content");
    assert!(before == fs::read(bundle.root().join("manifest.json")).unwrap(), "the bundle itself was changed");
}

#[test]
fn a_second_copy_uses_what_is_right_and_replaces_what_is_not() {
    let (folder, bundle) = small();
    let target = folder.path().join("part");
    let all = bundle.selection(|_| true).unwrap();
    let first = all.copy(&target, None, &|_| {}).unwrap();
    let etcd = first.blob_path(&bundle.artifacts()[0].digest);
    let inode = |path: &std::path::Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let untouched = inode(&etcd);
    let kubelet = bundle.artifacts().iter().find(|artifact| artifact.name == "kubelet").unwrap();
    fs::write(first.blob_path(&kubelet.digest), "cut").unwrap();
    let second = all.copy(&target, None, &|_| {}).unwrap();
    assert_eq!(inode(&etcd), untouched, "a blob that was right was written again");
    assert!(second.verify_files(&|_| {}).unwrap().faults.is_empty());
    // Less is wanted: the rest goes.
    let less = bundle.selection(no_kubelet).unwrap().copy(&target, None, &|_| {}).unwrap();
    assert!(less.surplus().unwrap().is_empty() && !fs::exists(first.blob_path(&kubelet.digest)).unwrap());
    assert!(Comparison::of(&less, &Bundle::open(&target).unwrap()).is_same());
}

#[test]
fn progress_reaches_the_whole_on_both_ways() {
    let (folder, bundle) = small();
    let selection = bundle.selection(|_| true).unwrap();
    for _again in 0..2 {
        let told = std::cell::Cell::new(0);
        selection.copy(&folder.path().join("part"), None, &|bytes| told.set(told.get() + bytes)).unwrap();
        assert_eq!(told.get(), crate::size(bundle.artifacts()));
    }
}

#[test]
fn a_damaged_blob_is_not_copied_and_a_foreign_folder_is_not_used() {
    let (folder, bundle) = small();
    let selection = bundle.selection(|_| true).unwrap();
    fs::write(folder.path().join("notes"), "mine").unwrap();
    assert!(matches!(selection.copy(folder.path(), None, &|_| {}).unwrap_err(), BundleError::Foreign { .. }));
    assert!(!fs::exists(folder.path().join("manifest.json")).unwrap());
    let blob = bundle.blob_path(&bundle.artifacts()[0].digest);
    let mut content = fs::read(&blob).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&blob, content).unwrap();
    let target = folder.path().join("part");
    assert!(matches!(selection.copy(&target, None, &|_| {}).unwrap_err(), BundleError::Corrupted { .. }));
    assert!(Bundle::open(&target).unwrap().artifacts().is_empty());
}
