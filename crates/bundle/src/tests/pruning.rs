#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::symlink;

use fs_err as fs;

use crate::testing::small;

#[test]
fn pruning_deletes_what_the_manifest_does_not_know_and_nothing_else() {
    let (folder, bundle) = small();
    assert!(bundle.surplus().unwrap().is_empty());
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    fs::create_dir_all(bundle.root().join("a/b")).unwrap();
    fs::write(bundle.root().join("a/b/c"), "12345").unwrap();
    fs::write(bundle.root().join("a.txt"), "1").unwrap();
    fs::write(bundle.root().join("blobs/.new-abc"), "123").unwrap();
    symlink(&outside, bundle.root().join("link")).unwrap();
    let surplus = bundle.surplus().unwrap();
    let shown: Vec<_> = surplus.iter().map(|surplus| (surplus.path.as_str(), surplus.size)).collect();
    assert_eq!(shown, [("a.txt", 1), ("a/", 0), ("a/b/", 0), ("a/b/c", 5), ("blobs/.new-abc", 3), ("link", 0)]);
    assert_eq!(bundle.verify_files(&|_| {}).unwrap().faults.len(), 6);
    bundle.prune(&surplus).unwrap();
    assert!(bundle.surplus().unwrap().is_empty());
    assert!(bundle.verify_files(&|_| {}).unwrap().faults.is_empty());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept", "links are not followed");
}

#[test]
fn a_link_to_the_blobs_stays() {
    let (folder, bundle) = small();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(bundle.root().join("blobs"), &elsewhere).unwrap();
    symlink(&elsewhere, bundle.root().join("blobs")).unwrap();
    assert!(bundle.surplus().unwrap().is_empty());
    assert!(bundle.verify_files(&|_| {}).unwrap().faults.is_empty());
}
