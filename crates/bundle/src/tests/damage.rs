#![allow(clippy::unwrap_used, reason = "tests")]

use barque_model::Digest;
use fs_err as fs;

use crate::testing::{add, files, small};
use crate::{ArtifactKind, Bundle, BundleError, Content, Fault, FaultKind, Verification};

fn faults(bundle: &Bundle) -> Vec<Fault> {
    bundle.verify_files(&|_| {}).unwrap().faults
}

#[test]
fn a_sound_bundle_has_no_faults() {
    let (_folder, bundle) = small();
    let read = std::sync::atomic::AtomicU64::new(0);
    let verification = bundle.verify_files(&|bytes| _ = read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed)).unwrap();
    assert_eq!((verification.faults, verification.files), (Vec::new(), 3));
    assert_eq!(verification.bytes, read.into_inner());
    assert_eq!(verification.bytes, crate::size(bundle.artifacts()));
    assert!(bundle.glance().is_empty());
}

#[test]
fn each_file_that_is_removed_or_changed_by_one_byte_is_named_and_no_other() {
    let (_folder, bundle) = small();
    for (name, path) in files(&bundle) {
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        if name == "manifest.json" {
            let error = Bundle::open(bundle.root()).unwrap_err();
            assert!(matches!(&error, BundleError::NotABundle { path } if path == bundle.root()), "{error}");
        } else {
            let found = faults(&bundle);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((&found[0].path, &found[0].kind, &found[0].found), (&name, &FaultKind::Missing, &None));
            assert_eq!(bundle.glance(), found, "seen without reading");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            if name == "manifest.json" {
                let error = Bundle::open(bundle.root()).unwrap_err();
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                assert!(error.hint().is_some());
            } else {
                let found = faults(&bundle);
                assert_eq!(found.len(), 1, "{found:?}");
                assert_eq!((&found[0].path, &found[0].kind), (&name, &FaultKind::Changed));
                let content = Content { size: Some(whole.len() as u64), digest: Some(Digest::of(&changed)) };
                assert_eq!(found[0].found, Some(content));
                assert_eq!(found[0].expected.as_ref().unwrap().digest, Some(Digest::of(&whole)));
            }
        }
        fs::write(&path, [&whole, &b"x"[..]].concat()).unwrap();
        if name != "manifest.json" {
            assert_eq!(faults(&bundle)[0].kind, FaultKind::Changed);
            assert_eq!(bundle.glance()[0].found, Some(Content { size: Some(whole.len() as u64 + 1), digest: None }));
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(faults(&bundle).is_empty());
}

#[test]
fn all_faults_are_named_at_once() {
    let (_folder, mut bundle) = small();
    let third = add(&mut bundle, ArtifactKind::Binary, "runc", "1.5.2", b"the program runc");
    fs::remove_file(bundle.blob_path(&Digest::of(b"the program etcd"))).unwrap();
    fs::write(bundle.blob_path(&third.digest), "changed").unwrap();
    fs::write(bundle.root().join("blobs/notes.txt"), "mine").unwrap();
    fs::create_dir(bundle.root().join("empty")).unwrap();
    let shown: Vec<_> = faults(&bundle).iter().map(|fault| (fault.kind.to_string(), fault.artifacts.join(", "))).collect();
    let expected = [
        ("missing", "binary etcd 3.6.14 for amd64, image registry.k8s.io/etcd 3.6.14 for amd64"),
        ("surplus", ""),
        ("surplus", ""),
        ("changed", "binary runc 1.5.2 for amd64"),
    ];
    let mut sorted = (shown, expected.map(|(kind, artifacts)| (kind.to_owned(), artifacts.to_owned())).to_vec());
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
    let surplus = faults(&bundle).into_iter().find(|fault| fault.path == "blobs/notes.txt").unwrap();
    assert_eq!(surplus.found, Some(Content { size: Some(4), digest: Some(Digest::of(b"mine")) }));
}

#[test]
fn a_pipe_in_place_of_a_blob_does_not_hang() {
    let (_folder, bundle) = small();
    let path = bundle.blob_path(&Digest::of(b"the program etcd"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let found = faults(&bundle);
    assert!(matches!(&found[0].kind, FaultKind::Unreadable { why } if why.contains("no plain file")), "{found:?}");
}

#[test]
fn a_changed_manifest_is_a_fault_too() {
    let (_folder, bundle) = small();
    let path = bundle.root().join("manifest.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("1.37.2", "1.37.3")).unwrap();
    let error = Bundle::open(bundle.root()).unwrap_err();
    let verification = Verification::of_error(&error).unwrap();
    assert_eq!((verification.bundle.as_path(), verification.faults[0].path.as_str()), (bundle.root(), "manifest.json"));
    assert_ne!(verification.faults[0].expected, verification.faults[0].found);
}
