#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_model::Digest;
use fs_err as fs;
use proptest::prelude::*;

use crate::testing::{add, bundle, contents, small};
use crate::{Architecture, ArtifactKind, Bundle, BundleError, Description, FaultKind};

fn pack(bundle: &Bundle, target: &Path) -> Vec<u8> {
    let packed = bundle.pack(target, None, &|_| {}).unwrap();
    let bytes = fs::read(target).unwrap();
    assert_eq!((packed.digest, packed.size), (Digest::of(&bytes), bytes.len() as u64));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_packed_is_what_was_there(contents_by_name in proptest::collection::btree_map("[a-z]{1,8}", proptest::collection::vec(any::<u8>(), 0..2000), 0..6)) {
        let entries: Vec<_> = contents_by_name.iter().map(|(name, content)| (name.as_str(), "1.0.0", content.as_slice())).collect();
        let (folder, bundle) = bundle(&entries);
        let file = folder.path().join("demo.barque");
        let first = pack(&bundle, &file);
        let packed = Bundle::open(&file).unwrap();
        prop_assert_eq!(contents(&packed), contents(&bundle));
        prop_assert_eq!(packed.digest(), bundle.digest());
        let faults = packed.verify_files(&|_| {}).unwrap().faults;
        prop_assert!(faults.is_empty());
        // Any tar unpacks it, and what comes out is the same bundle and gives the same file.
        let unpacked = folder.path().join("unpacked");
        tar::Archive::new(first.as_slice()).unpack(&unpacked).unwrap();
        let again = Bundle::open(&unpacked).unwrap();
        prop_assert_eq!(contents(&again), contents(&bundle));
        prop_assert!(pack(&again, &folder.path().join("again.barque")) == first);
        prop_assert!(pack(&packed, &file) == first);
    }
}

#[test]
fn packing_leaves_out_what_does_not_belong_there() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    let clean = pack(&bundle, &file);
    fs::write(bundle.root().join("notes.txt"), "mine").unwrap();
    assert!(pack(&bundle, &file) == clean, "and an older file is replaced");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no leftovers");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o133, 0);
}

#[test]
fn every_byte_of_a_file_counts() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    let whole = pack(&bundle, &file);
    // Five has no common divisor with a block of 512: every field of a header has its turn.
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&file, &changed).unwrap();
        match Bundle::open(&file) {
            Err(error) => assert!(error.to_string().contains("demo.barque"), "{error}"),
            Ok(opened) => {
                let faults = opened.verify_files(&|_| {}).unwrap().faults;
                assert!(faults.len() == 1 && faults[0].kind == FaultKind::Changed, "byte {at}: {faults:?}");
            }
        }
    }
    for length in (0..whole.len()).step_by(17) {
        fs::write(&file, &whole[..length]).unwrap();
        let error = Bundle::open(&file).unwrap_err();
        assert!(matches!(&error, BundleError::Truncated { .. }), "cut to {length}: {error}");
        assert!(error.hint().unwrap().contains("sha256sum"));
    }
    fs::write(&file, [&whole, &b"more"[..]].concat()).unwrap();
    assert!(matches!(Bundle::open(&file), Err(BundleError::Damaged { .. })));
}

#[test]
fn what_no_bundle_has_is_refused() {
    let (folder, bundle) = small();
    let manifest = fs::read(bundle.root().join("manifest.json")).unwrap();
    let refused = |build: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut archive = tar::Builder::new(Vec::new());
        let mut bytes = Vec::new();
        crate::archive::write_entry(&mut bytes, "manifest.json", manifest.len() as u64, &mut manifest.as_slice()).unwrap();
        build(&mut archive);
        bytes.extend(archive.into_inner().unwrap());
        let file = folder.path().join("bad.barque");
        fs::write(&file, bytes).unwrap();
        let error = Bundle::open(&file).unwrap_err();
        assert!(error.hint().is_some());
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    let header = |kind, size| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header
    };
    let link = refused(&|archive| archive.append_link(&mut header(tar::EntryType::Symlink, 0), "blobs/x.zst", "/etc/shadow").unwrap());
    insta::assert_snapshot!(link, @"bundle file `DIR/bad.barque` is refused because of its entry `blobs/x.zst`: it is a link");
    let raw = |archive: &mut tar::Builder<Vec<u8>>, name: &[u8]| {
        let mut header = header(tar::EntryType::Regular, 1);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_cksum();
        archive.append(&header, &b"x"[..]).unwrap();
    };
    let upwards = refused(&|archive| raw(archive, b"../../etc/cron.d/x"));
    insta::assert_snapshot!(upwards, @"bundle file `DIR/bad.barque` is refused because of its entry `../../etc/cron.d/x`: its path leads out of the bundle");
    let absolute = refused(&|archive| raw(archive, b"/etc/passwd"));
    insta::assert_snapshot!(absolute, @"bundle file `DIR/bad.barque` is refused because of its entry `/etc/passwd`: its path leads out of the bundle");
    let folder_entry = refused(&|archive| archive.append_data(&mut header(tar::EntryType::Directory, 0), "blobs/", &b""[..]).unwrap());
    insta::assert_snapshot!(folder_entry, @"bundle file `DIR/bad.barque` is refused because of its entry `blobs/`: it is no plain file");
    let twice = refused(&|archive| {
        let mut bytes = Vec::new();
        crate::archive::write_entry(&mut bytes, "manifest.json", 1, &mut &b"x"[..]).unwrap();
        archive.get_mut().extend(bytes);
    });
    insta::assert_snapshot!(twice, @"bundle file `DIR/bad.barque` is refused because of its entry `manifest.json`: it is there twice");
    let owned = refused(&|archive| {
        let mut header = header(tar::EntryType::Regular, 1);
        header.set_uid(1000);
        archive.append_data(&mut header, "blobs/x.zst", &b"x"[..]).unwrap();
    });
    insta::assert_snapshot!(owned, @"bundle file `DIR/bad.barque` is refused because of its entry `blobs/x.zst`: it was not written by `barque bundle pack`");
    let other = folder.path().join("other.barque");
    fs::write(&other, [b'a'; 4096]).unwrap();
    assert!(matches!(Bundle::open(&other), Err(BundleError::NotABundle { .. })));
}

#[test]
fn surplus_in_a_file_is_named() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    let whole = pack(&bundle, &file);
    let mut longer = whole[..whole.len() - 1024].to_vec();
    crate::archive::write_entry(&mut longer, "extra", 3, &mut &b"abc"[..]).unwrap();
    crate::archive::write_end(&mut longer).unwrap();
    fs::write(&file, longer).unwrap();
    let opened = Bundle::open(&file).unwrap();
    let faults = opened.verify_files(&|_| {}).unwrap().faults;
    assert_eq!((faults.len(), faults[0].path.as_str(), &faults[0].kind), (1, "extra", &FaultKind::Surplus));
    assert!(matches!(opened.prune(&opened.surplus().unwrap()), Err(BundleError::ReadOnly { .. })));
}

#[test]
fn a_file_is_never_changed() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    let whole = pack(&bundle, &file);
    let mut packed = Bundle::open(&file).unwrap();
    let description = Description {
        kind: ArtifactKind::Binary,
        name: "runc".into(),
        version: "1".into(),
        architecture: Architecture::Amd64,
        source: String::new(),
        licence: String::new(),
    };
    let error = packed.add(&b"x"[..], description).unwrap_err();
    assert!(matches!(error, BundleError::ReadOnly { .. }) && error.hint().unwrap().contains("tar -xf"));
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn a_damaged_bundle_is_not_packed() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    let path = bundle.blob_path(&bundle.artifacts()[0].digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(bundle.pack(&file, None, &|_| {}), Err(BundleError::Corrupted { .. })));
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(bundle.pack(&file, None, &|_| {}), Err(BundleError::Corrupted { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(bundle.pack(&file, None, &|_| {}), Err(BundleError::BlobMissing { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
}

#[test]
fn only_a_bundle_is_overwritten_and_by_one_at_a_time() {
    let (folder, bundle) = small();
    let file = folder.path().join("demo.barque");
    fs::write(&file, "a letter").unwrap();
    let error = bundle.pack(&file, None, &|_| {}).unwrap_err();
    assert!(matches!(error, BundleError::Exists { .. }), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "a letter");
    fs::remove_file(&file).unwrap();
    let mut partial = fs::File::create(folder.path().join(".demo.barque.partial")).unwrap();
    partial.write_all(&[1; 9000]).unwrap();
    partial.file().lock().unwrap();
    assert!(matches!(bundle.pack(&file, None, &|_| {}), Err(BundleError::Busy { .. })));
    // Its owner is dead: what it left is used again.
    drop(partial);
    let bytes = pack(&bundle, &file);
    assert!(Bundle::open(&file).unwrap().artifacts() == bundle.artifacts() && bytes.len() > 1024);
    assert!(!fs::exists(folder.path().join(".demo.barque.partial")).unwrap());
}

#[test]
fn large_contents_are_read_from_their_places() {
    let content: Vec<u8> = (0..700_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (folder, mut bundle) = bundle(&[("kubelet", "1.37.2", &content), ("kubectl", "1.37.2", &content[1..])]);
    add(&mut bundle, ArtifactKind::Image, "pause", "3.10.2", &content[2..]);
    let file = folder.path().join("demo.barque");
    pack(&bundle, &file);
    let packed = Bundle::open(&file).unwrap();
    for artifact in packed.artifacts() {
        packed.verify(artifact).unwrap();
    }
    assert_eq!(contents(&packed), contents(&bundle));
}
