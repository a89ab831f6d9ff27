#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn description(kind: ArtifactKind, name: &str, version: &str) -> Description {
    let source = format!("test of {name}");
    Description {
        kind,
        name: name.into(),
        version: version.into(),
        architecture: Architecture::Amd64,
        source,
        licence: "Apache-2.0".into(),
    }
}

fn package(for_packages: &[&str]) -> ArtifactKind {
    let for_packages = for_packages.iter().map(|&name| name.to_owned()).collect();
    ArtifactKind::Package { distribution: "debian-13".into(), for_packages }
}

fn bundle() -> (tempfile::TempDir, Bundle) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle::create_or_open(folder.path().join("bundle")).unwrap();
    (folder, bundle)
}

fn blob_count(bundle: &Bundle) -> usize {
    fs::read_dir(bundle.root().join("blobs")).unwrap().count()
}

#[test]
fn what_goes_in_comes_out() {
    let (_folder, mut bundle) = bundle();
    // More than one piece and more than zstd's window, half of it incompressible.
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(|number| [number.wrapping_mul(2_654_435_761).to_le_bytes()[3], 7]).collect();
    let added = bundle.add(content.as_slice(), description(ArtifactKind::Binary, "kubelet", "1.37.2")).unwrap();
    assert_eq!(added.digest, Digest::of(&content));
    assert_eq!(added.size, content.len() as u64);

    let reopened = Bundle::open(bundle.root()).unwrap();
    let found = reopened.binary("kubelet", "1.37.2", Architecture::Amd64).unwrap();
    assert_eq!(found, &added);
    let mut compressed = Vec::new();
    reopened.open_blob(&found.digest).unwrap().into_reader().read_to_end(&mut compressed).unwrap();
    assert_eq!((Digest::of(&compressed), compressed.len() as u64), (added.compressed_digest, added.compressed_size));
    let mut uncompressed = Vec::new();
    reopened.open_content(found).unwrap().read_to_end(&mut uncompressed).unwrap();
    assert!(uncompressed == content);
    reopened.verify(found).unwrap();
    let mode = fs::metadata(reopened.blob_path(&found.digest)).unwrap().permissions().mode();
    assert_eq!(mode & 0o133, 0, "readable data, never executable: {mode:o}");
}

#[test]
fn same_content_gives_same_bytes_in_any_order() {
    let (_first_folder, mut first) = bundle();
    let (_second_folder, mut second) = bundle();
    let all = [
        (package(&["haproxy"]), "liblua5.4-0", "5.4.7-1", "lua"),
        (ArtifactKind::Image, "registry.k8s.io/pause", "3.10.2", "pause"),
        (ArtifactKind::Binary, "kubelet", "1.37.2", "kubelet"),
        (ArtifactKind::Binary, "kubelet", "1.36.3", "old kubelet"),
    ];
    for (kind, name, version, content) in all.clone() {
        first.add(content.as_bytes(), description(kind, name, version)).unwrap();
    }
    for (kind, name, version, content) in all.into_iter().rev() {
        second.add(content.as_bytes(), description(kind, name, version)).unwrap();
    }
    let manifest = |bundle: &Bundle| fs::read(bundle.root().join("manifest.json")).unwrap();
    assert_eq!(manifest(&first), manifest(&second));
    let blob = |bundle: &Bundle| fs::read(bundle.blob_path(&Digest::of(b"kubelet"))).unwrap();
    assert_eq!(blob(&first), blob(&second));
}

#[test]
fn the_number_of_cores_does_not_matter() {
    // More than one of zstd's jobs (8 MiB at this level).
    let content: Vec<u8> = (0..2_300_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    let compressed = |workers| {
        let mut target = Vec::new();
        let (digest, size, compressed_digest, compressed_size) = compress(&mut content.as_slice(), &mut target, workers).unwrap();
        assert_eq!((digest, size), (Digest::of(&content), content.len() as u64));
        assert_eq!((compressed_digest, compressed_size), (Digest::of(&target), target.len() as u64));
        target
    };
    let one = compressed(1);
    assert!(one == compressed(3));
}

#[test]
fn replaces_and_removes() {
    let (_folder, mut bundle) = bundle();
    bundle.add(&b"one"[..], description(ArtifactKind::Binary, "etcd", "3.6.14")).unwrap();
    let two = bundle.add(&b"two"[..], description(ArtifactKind::Binary, "etcd", "3.6.14")).unwrap();
    assert_eq!(bundle.artifacts(), std::slice::from_ref(&two));
    assert_eq!(blob_count(&bundle), 1, "the replaced blob is gone");
    // An image of the same name is another artifact, though it has the same content.
    let image = bundle.add(&b"two"[..], description(ArtifactKind::Image, "etcd", "3.6.14")).unwrap();
    assert_eq!((bundle.artifacts().len(), blob_count(&bundle)), (2, 1));
    bundle.remove(&two).unwrap();
    bundle.remove(&two).unwrap();
    bundle.verify(&image).unwrap();
    bundle.remove(&image).unwrap();
    assert_eq!(blob_count(&bundle), 0);
    assert!(Bundle::open(bundle.root()).unwrap().artifacts().is_empty());
}

#[test]
fn packages_by_what_needs_them() {
    let (_folder, mut bundle) = bundle();
    bundle.add(&b"a"[..], description(package(&["keepalived", "haproxy"]), "libshared", "1")).unwrap();
    bundle.add(&b"b"[..], description(package(&["haproxy"]), "haproxy", "3.0")).unwrap();
    bundle.add(&b"c"[..], description(package(&["keepalived"]), "keepalived", "2.3")).unwrap();
    let names = |distribution: &str, package: &str| {
        bundle.packages(distribution, package, Architecture::Amd64).iter().map(|found| found.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names("debian-13", "haproxy"), ["haproxy", "libshared"]);
    assert_eq!(names("debian-13", "keepalived"), ["keepalived", "libshared"]);
    assert!(names("debian-12", "haproxy").is_empty());
    assert!(bundle.packages("debian-13", "haproxy", Architecture::Arm64).is_empty());
    // The same package for other users replaces, although its kind differs.
    bundle.add(&b"a"[..], description(package(&["nftables"]), "libshared", "1")).unwrap();
    assert_eq!(bundle.artifacts().len(), 3);
}

#[test]
fn says_what_is_missing() {
    let (_folder, bundle) = bundle();
    let error = bundle.binary("kubelet", "1.37.2", Architecture::Arm64).unwrap_err();
    assert_eq!(error.to_string(), format!("bundle `{}` has no binary `kubelet` 1.37.2 for arm64", bundle.root().display()));
    let hint = error.hint().unwrap();
    assert!(hint.contains("`barque bundle show`") && hint.contains("`barque lab artifacts`"), "{hint}");
}

#[test]
fn a_wrong_blob_with_a_right_compressed_digest_is_corrupted() {
    let (_folder, mut bundle) = bundle();
    let right = bundle.add(&b"right"[..], description(ArtifactKind::Binary, "right", "1")).unwrap();
    let wrong = bundle.add(&b"wrong"[..], description(ArtifactKind::Binary, "wrong", "1")).unwrap();
    fs::copy(bundle.blob_path(&wrong.digest), bundle.blob_path(&right.digest)).unwrap();
    let mixed = Artifact { compressed_digest: wrong.compressed_digest, ..right.clone() };
    let error = bundle.verify(&mixed).unwrap_err();
    assert!(
        matches!(error, BundleError::Corrupted { content: "uncompressed content", expected, .. } if expected == right.digest),
        "{error}"
    );

    fs::write(bundle.blob_path(&right.digest), b"no zstd").unwrap();
    let mixed = Artifact { compressed_digest: Digest::of(b"no zstd"), ..right };
    assert!(matches!(bundle.verify(&mixed), Err(BundleError::Undecodable { .. })));
}

#[test]
fn refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Bundle::open(folder.path()), Err(BundleError::NotABundle { .. })));
    let manifest = folder.path().join("manifest.json");
    // Another format, with fields that we do not know.
    fs::write(&manifest, r#"{"format": 7, "things": []}"#).unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(error, BundleError::UnknownFormat { found: 7, .. }), "{error}");
    assert!(error.hint().is_some());
    fs::write(&manifest, "{\n  \"format\": 1,\n  \"artifacts\": [{}]\n}\n").unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(error, BundleError::Malformed { line: 3, .. }), "{error}");
    // Nor is it overwritten.
    assert!(Bundle::create_or_open(folder.path()).is_err());
    assert!(fs::read_to_string(&manifest).unwrap().contains("[{}]"));
}

#[test]
fn a_failed_read_leaves_nothing_behind() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let (_folder, mut bundle) = bundle();
    let content = b"start".chain(Broken);
    let error = bundle.add(content, description(ArtifactKind::Binary, "kubelet", "1.37.2")).unwrap_err();
    assert!(error.to_string().contains("`kubelet`"), "{error}");
    assert_eq!(blob_count(&bundle), 0);
    assert!(bundle.artifacts().is_empty());
}
