//! Debian packages that hosts without a way out get as files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use barque_bundle::{Architecture, Artifact, ArtifactKind, Bundle, Description};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::apt::{Apt, Deb};
use super::error::io_error;
use super::{ArtifactError, licence};

/// The distribution that packages are carried for.
pub const DISTRIBUTION: &str = "debian-13";
/// Its code name.
const CODENAME: &str = "trixie";
/// The packages that are carried, each with all that a minimal root lacks for it.
pub const CARRIED_PACKAGES: &[&str] = &["conntrack", "haproxy", "iptables", "keepalived", "nftables"];

/// Names the closures on one root: twelve hexadecimal digits over its installed packages and the list above.
pub(super) fn key(root: &Path) -> Result<String, ArtifactError> {
    let status = fs::read(root.join("var/lib/dpkg/status")).map_err(io_error("read the minimal root's packages"))?;
    let mut hasher = Sha256::new();
    hasher.update(format!("1 {DISTRIBUTION} {}\n", CARRIED_PACKAGES.join(" ")));
    hasher.update(status);
    Ok(hex::encode(&hasher.finalize()[..6]))
}

/// Whether the bundle holds all closures under `key`. The carried packages themselves are stored last, so they stand for the rest.
pub(super) fn are_present(bundle: &Bundle, architecture: Architecture, key: &str) -> bool {
    CARRIED_PACKAGES.iter().all(|&carried| {
        let closure = bundle.packages(DISTRIBUTION, carried, architecture);
        closure.iter().any(|artifact| artifact.name == carried && artifact.source.ends_with(&format!("key {key}")))
    })
}

/// Sets the licences of packages that were stored before barque knew them.
pub(super) fn set_licences(bundle: &mut Bundle) -> Result<(), ArtifactError> {
    let is_package = |artifact: &&Artifact| artifact.kind.distribution() == Some(DISTRIBUTION);
    for package in bundle.artifacts().iter().filter(is_package).cloned().collect::<Vec<_>>() {
        bundle.set_licence(&package, licence::of_package(&package.name))?;
    }
    Ok(())
}

/// Resolves and fetches all closures for the minimal root `root` and stores them in place of older ones.
pub(super) fn store(bundle: &mut Bundle, root: &Path, architecture: Architecture, work: &Path, key: &str) -> Result<(), ArtifactError> {
    let apt = Apt::new(work, CODENAME, &root.join("var/lib/dpkg/status"), &architecture.to_string())?;
    // Resolved before the first download: afterwards apt no longer prints what it already has.
    let mut needed: BTreeMap<Deb, BTreeSet<&str>> = BTreeMap::new();
    for carried in CARRIED_PACKAGES {
        for deb in apt.closure(carried)? {
            needed.entry(deb).or_default().insert(carried);
        }
    }
    for carried in CARRIED_PACKAGES {
        apt.download(carried)?;
    }
    let is_of_us = |artifact: &&Artifact| {
        matches!(&artifact.kind, ArtifactKind::Package { distribution, .. } if distribution == DISTRIBUTION)
            && artifact.architecture == architecture
    };
    for old in bundle.artifacts().iter().filter(is_of_us).cloned().collect::<Vec<_>>() {
        bundle.remove(&old)?;
    }
    let (last, first): (Vec<_>, Vec<_>) = needed.into_iter().partition(|(deb, _)| CARRIED_PACKAGES.contains(&deb.name.as_str()));
    for (deb, for_packages) in first.into_iter().chain(last) {
        let for_packages = for_packages.into_iter().map(str::to_owned).collect();
        let licence = licence::of_package(&deb.name).to_owned();
        let description = Description {
            kind: ArtifactKind::Package { distribution: DISTRIBUTION.to_owned(), for_packages },
            name: deb.name,
            version: deb.version,
            architecture,
            source: format!("Debian {CODENAME} main {}, key {key}", deb.file),
            licence,
        };
        bundle.add_file(&apt.archives().join(&deb.file), description)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn add(bundle: &mut Bundle, name: &str, key: &str) {
        let description = Description {
            kind: ArtifactKind::Package { distribution: DISTRIBUTION.into(), for_packages: vec![name.into()] },
            name: name.into(),
            version: "1".into(),
            architecture: Architecture::Amd64,
            source: format!("test, key {key}"),
            licence: "MIT".into(),
        };
        bundle.add(name.as_bytes(), description).unwrap();
    }

    #[test]
    fn present_means_every_package_under_this_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = Bundle::create_or_open(folder.path()).unwrap();
        for carried in CARRIED_PACKAGES {
            assert!(!are_present(&bundle, Architecture::Amd64, "k1"), "{carried} is not there yet");
            add(&mut bundle, carried, "k1");
        }
        assert!(are_present(&bundle, Architecture::Amd64, "k1"));
        assert!(!are_present(&bundle, Architecture::Arm64, "k1"));
        add(&mut bundle, "haproxy", "k2");
        assert!(!are_present(&bundle, Architecture::Amd64, "k1"));
    }

    #[test]
    fn the_key_follows_the_root() {
        let root = tempfile::tempdir().unwrap();
        assert!(key(root.path()).is_err());
        fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), "Package: systemd\n").unwrap();
        let one = key(root.path()).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), "Package: dbus\n").unwrap();
        assert_ne!(one, key(root.path()).unwrap());
    }
}
