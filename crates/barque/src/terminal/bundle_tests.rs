#![allow(clippy::unwrap_used)]

use barque_bundle::{Architecture, ArtifactKind, Bundle, Change, Description};

use super::*;

fn artifact(kind: ArtifactKind, name: &str, version: &str) -> Artifact {
    let content = format!("{name} {version}");
    Artifact {
        kind,
        name: name.into(),
        version: version.into(),
        architecture: Architecture::Amd64,
        digest: Digest::of(content.as_bytes()),
        size: 81_000_000,
        compressed_digest: Digest::of(b"compressed"),
        compressed_size: 22_700_000 + name.len() as u64 * 1_000_000,
        source: "https://dl.k8s.io".into(),
        licence: "Apache-2.0".into(),
    }
}

fn debian(name: &str) -> Artifact {
    let kind = ArtifactKind::Package { distribution: "debian-13".into(), for_packages: vec![name.into()] };
    Artifact { licence: "GPL-2.0-or-later".into(), source: "Debian trixie main".into(), ..artifact(kind, name, "3.0.11-1") }
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn fault(kind: FaultKind, path: &str, artifact: Option<&str>) -> Fault {
    let content = |text: &str| Content { size: Some(text.len() as u64), digest: Some(Digest::of(text.as_bytes())) };
    let expected = artifact.map(|_| content("good"));
    let found = (!matches!(kind, FaultKind::Missing)).then(|| content("other"));
    Fault { path: path.into(), kind, artifacts: artifact.map(str::to_owned).into_iter().collect(), expected, found }
}

fn report(faults: Vec<Fault>) -> Verification {
    Verification { bundle: "b.barque".into(), digest: Digest::of(b"manifest"), files: 57, bytes: 412_300_000, faults }
}

/// The identity of a key that is made for this.
fn key(folder: &Path) -> KeyId {
    barque_bundle::make_keys(&folder.join("key"), None).unwrap().0.id()
}

#[test]
fn a_good_bundle_takes_two_lines() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path());
    let shown = |signature: &SignatureWords| verification(&report(Vec::new()), signature, 1.2).replace(&key.to_string(), "KEY");
    insta::assert_snapshot!(shown(&SignatureWords::Holds { key }), @r"
    bundle `b.barque`: 57 files as the manifest says (412.30 MB in 1.2 s, 344 MB/s)
    signed with key KEY: the signature holds
    ");
    insta::assert_snapshot!(shown(&SignatureWords::Unchecked { key }), @r"
    bundle `b.barque`: 57 files as the manifest says (412.30 MB in 1.2 s, 344 MB/s)
    signed with key KEY, not checked: name the public key with `--key FILE`
    ");
    let refused = SignatureWords::Refused { message: "bundle `b.barque` is not signed".into(), hint: Some("sign it".into()) };
    assert!(refused.is_refused());
    insta::assert_snapshot!(shown(&refused), @r"
    bundle `b.barque`: 57 files as the manifest says (412.30 MB in 1.2 s, 344 MB/s)
    bundle `b.barque` is not signed
      hint: sign it
    ");
}

#[test]
fn every_fault_is_named() {
    let faults = vec![
        fault(FaultKind::Missing, "blobs/aa.zst", Some("binary etcd 3.6.14 for amd64")),
        fault(FaultKind::Changed, "blobs/bb.zst", Some("binary kubelet 1.37.2 for amd64")),
        fault(
            FaultKind::Unreadable { why: "cannot read `blobs/cc.zst`: Input/output error".into() },
            "blobs/cc.zst",
            Some("image pause 3"),
        ),
        fault(FaultKind::Surplus, "notes.txt", None),
    ];
    insta::assert_snapshot!(verification(&report(faults), &SignatureWords::None, 1.2), @r"
    missing    blobs/aa.zst (binary etcd 3.6.14 for amd64)
               expected SHA-256 770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c, 4 bytes
    changed    blobs/bb.zst (binary kubelet 1.37.2 for amd64)
               expected SHA-256 770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c, 4 bytes
               found    SHA-256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, 5 bytes
    unreadable blobs/cc.zst (image pause 3): cannot read `blobs/cc.zst`: Input/output error
               expected SHA-256 770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c, 4 bytes
               found    SHA-256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, 5 bytes
    surplus    notes.txt
               found    SHA-256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, 5 bytes
    bundle `b.barque`: 1 missing, 1 changed, 1 surplus, 1 unreadable in 57 files (412.30 MB in 1.2 s, 344 MB/s)
      hint: copy what is missing or changed again from where the bundle came, or obtain it with `barque lab artifacts`
    not signed
    ");
    let surplus = vec![fault(FaultKind::Surplus, "notes.txt", None)];
    assert!(verification(&report(surplus), &SignatureWords::Unknown, 1.2).contains("barque bundle prune b.barque"));
}

#[test]
fn contents_are_a_table_with_a_total() {
    let artifacts = [
        artifact(ArtifactKind::Binary, "kubelet", "1.37.2"),
        artifact(ArtifactKind::Image, "registry.k8s.io/pause", "3.10.2"),
        debian("haproxy"),
    ];
    let shown = contents(Path::new("b.barque"), &artifacts, &Digest::of(b"manifest"), None);
    insta::assert_snapshot!(trimmed(&shown), @r"
    KIND     NAME                   VERSION   FOR              SIZE      LICENCE           SHA-256       SOURCE
    binary   kubelet                1.37.2    amd64            29.70 MB  Apache-2.0        f903f8684d2f  https://dl.k8s.io
    image    registry.k8s.io/pause  3.10.2    amd64            43.70 MB  Apache-2.0        b9fd933e72f5  https://dl.k8s.io
    package  haproxy                3.0.11-1  debian-13 amd64  29.70 MB  GPL-2.0-or-later  23dc8e669d56  Debian trixie main

    bundle `b.barque`: 3 artifacts, 103.10 MB (243.00 MB unpacked)
    digest 05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f
    not signed
    ");
    assert_eq!(contents(Path::new("b"), &[], &Digest::of(b""), None).lines().count(), 3);
}

#[test]
fn differences_are_lines_with_signs() {
    let newer = artifact(ArtifactKind::Binary, "kubelet", "1.37.3");
    let rebuilt = Artifact { digest: Digest::of(b"again"), compressed_size: 21_000_000, ..artifact(ArtifactKind::Binary, "runc", "1.5.2") };
    let renamed = Artifact { source: "elsewhere".into(), ..debian("haproxy") };
    let shown = Comparison {
        added: vec![artifact(ArtifactKind::Image, "registry.k8s.io/pause", "3.10.2")],
        removed: vec![debian("keepalived")],
        changed: vec![
            Change { before: artifact(ArtifactKind::Binary, "kubelet", "1.37.2"), after: newer },
            Change { before: artifact(ArtifactKind::Binary, "runc", "1.5.2"), after: rebuilt },
            Change { before: debian("haproxy"), after: renamed },
        ],
        size_before: 412_300_000,
        size_after: 398_000_000,
    };
    insta::assert_snapshot!(comparison(&shown), @r"
    - package keepalived 3.0.11-1 (debian-13 amd64), 32.70 MB
    + image registry.k8s.io/pause 3.10.2 (amd64), 43.70 MB
    ~ binary kubelet 1.37.2 -> 1.37.3 (amd64), f903f8684d2f -> 2f7f55d26e0d, +0 B
    ~ binary runc 1.5.2 (amd64), 51cf4076b13b -> b4c9e14061c2, -5.70 MB
    ~ package haproxy 3.0.11-1 (debian-13 amd64), same content, +0 B
    1 added, 1 removed, 3 changed; 412.30 MB -> 398.00 MB (-14.30 MB)
    ");
    let same = Comparison { added: Vec::new(), removed: Vec::new(), changed: Vec::new(), size_before: 1, size_after: 1 };
    assert_eq!(comparison(&same), "the bundles hold the same");
}

#[test]
fn a_file_is_named_with_its_digest() {
    let done = Packed { path: "b.barque".into(), digest: Digest::of(b"file"), size: 412_300_000 };
    insta::assert_snapshot!(packed(&done, 57, true), @r"
    `b.barque`: 57 artifacts, 412.30 MB, signed
    SHA-256 3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80
    ");
}

#[test]
fn surplus_is_listed() {
    let entry = |path: &str, size| Surplus { path: path.into(), size, is_file: true };
    insta::assert_snapshot!(surplus(Path::new("b"), &[entry("a/", 0), entry("a/b", 1_200_000)]), @r"
    surplus a/ (0 B)
    surplus a/b (1.20 MB)
    bundle `b`: 2 things that the manifest does not know, 1.20 MB
    ");
    assert_eq!(surplus(Path::new("b"), &[]), "bundle `b`: nothing to delete");
}

#[test]
fn images_say_what_needs_them() {
    let row = |reference: &str, digest: Option<&str>, needed_by: Option<&str>| ImageRow {
        reference: reference.into(),
        digest: digest.map(str::to_owned),
        architecture: digest.map(|_| Architecture::Amd64),
        size: digest.map(|_| 302_000),
        needed_by: needed_by.map(str::to_owned),
        source: None,
        is_pulled: reference.starts_with("ghcr.io/"),
    };
    let digest = format!("sha256:{}", Digest::of(b"pause"));
    let rows = [
        row("ghcr.io/headlamp-k8s/headlamp:v0.45.0", None, Some("add-on dashboard")),
        row("barque.test/toolbox:1", Some(&digest), None),
        row("registry.k8s.io/coredns/coredns:v1.15.0", None, Some("CoreDNS")),
        row("registry.k8s.io/pause:3.10.2", Some(&digest), Some("every pod")),
    ];
    insta::assert_snapshot!(trimmed(&images(&rows)), @r"
    IMAGE                                    DIGEST                                                                   FOR    SIZE       NEEDED BY
    ghcr.io/headlamp-k8s/headlamp:v0.45.0    pulled by nodes                                                          -      -          add-on dashboard
    barque.test/toolbox:1                    sha256:6210c0bf05396716df932f0729df69de0533933e5ad9871fd07b61811c4c28df  amd64  302.00 kB  -
    registry.k8s.io/coredns/coredns:v1.15.0  not in the bundle                                                        -      -          CoreDNS
    registry.k8s.io/pause:3.10.2             sha256:6210c0bf05396716df932f0729df69de0533933e5ad9871fd07b61811c4c28df  amd64  302.00 kB  every pod
    ");
}

#[test]
fn what_a_bundle_really_says_fits_the_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut bundle = Bundle::create_or_open(folder.path().join("bundle")).unwrap();
    let description = Description {
        kind: ArtifactKind::Binary,
        name: "etcd".into(),
        version: "3.6.14".into(),
        architecture: Architecture::Amd64,
        source: "a test".into(),
        licence: "Apache-2.0".into(),
    };
    let added = bundle.add(&b"etcd"[..], description).unwrap();
    fs_err::write(bundle.blob_path(&added.digest), "changed").unwrap();
    let shown = verification(&bundle.verify_files(&|_| {}).unwrap(), &SignatureWords::None, 1.0);
    assert!(shown.starts_with(&format!("changed    blobs/{}.zst (binary etcd 3.6.14 for amd64)\n", added.digest)), "{shown}");
    assert!(shown.contains("1 changed in 2 files") && shown.ends_with("not signed"), "{shown}");
}
