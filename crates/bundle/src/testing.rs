//! Small bundles for tests.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read as _;
use std::path::PathBuf;

use fs_err as fs;

use crate::place::blob_name;
use crate::{Architecture, Artifact, ArtifactKind, Bundle, Description};

/// What names an artifact, and its content.
pub(crate) type Entry<'a> = (&'a str, &'a str, &'a [u8]);

/// A bundle of binaries in a folder of its own.
pub(crate) fn bundle(entries: &[Entry]) -> (tempfile::TempDir, Bundle) {
    let folder = tempfile::tempdir().unwrap();
    let mut bundle = Bundle::create_or_open(folder.path().join("bundle")).unwrap();
    for (name, version, content) in entries {
        add(&mut bundle, ArtifactKind::Binary, name, version, content);
    }
    (folder, bundle)
}

pub(crate) fn add(bundle: &mut Bundle, kind: ArtifactKind, name: &str, version: &str, content: &[u8]) -> Artifact {
    let (source, licence) = (format!("test of {name}"), "Apache-2.0".to_owned());
    let description = Description { kind, name: name.into(), version: version.into(), architecture: Architecture::Amd64, source, licence };
    bundle.add(content, description).unwrap()
}

/// Three artifacts of two contents.
pub(crate) fn small() -> (tempfile::TempDir, Bundle) {
    let (folder, mut bundle) = bundle(&[("etcd", "3.6.14", b"the program etcd"), ("kubelet", "1.37.2", &[7; 1500])]);
    add(&mut bundle, ArtifactKind::Image, "registry.k8s.io/etcd", "3.6.14", b"the program etcd");
    (folder, bundle)
}

/// All that is in a bundle, by artifact.
pub(crate) fn contents(bundle: &Bundle) -> Vec<(Artifact, Vec<u8>, Vec<u8>)> {
    let read = |artifact: &Artifact| {
        let (mut blob, mut content) = (Vec::new(), Vec::new());
        bundle.open_blob(&artifact.digest).unwrap().into_reader().read_to_end(&mut blob).unwrap();
        bundle.open_content(artifact).unwrap().read_to_end(&mut content).unwrap();
        (artifact.clone(), blob, content)
    };
    bundle.artifacts().iter().map(read).collect()
}

/// Every file of a bundle's folder by its name in the bundle.
pub(crate) fn files(bundle: &Bundle) -> Vec<(String, PathBuf)> {
    let names = bundle.artifacts().iter().map(|artifact| blob_name(&artifact.digest)).chain(["manifest.json".to_owned()]);
    let mut files: Vec<_> = names.map(|name| (name.clone(), bundle.root().join(name))).collect();
    files.sort();
    files.dedup();
    assert!(files.iter().all(|(_, path)| fs::exists(path).unwrap()));
    files
}
