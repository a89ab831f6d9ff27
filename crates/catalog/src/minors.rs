//! Kubernetes minor releases that the catalog knows, whether barque deploys them or not.

use std::sync::LazyLock;

use barque_model::{Component, Version};
use serde::{Deserialize, Serialize};

use crate::{Minor, Subject, Text};

const DATA: &str = include_str!("../../../catalog/minors.toml");

static MINORS: LazyLock<Vec<MinorEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/minors.toml is embedded and a test parses it").minor);

/// A Kubernetes minor release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MinorEntry {
    /// Which.
    pub minor: Minor,
    /// The latest patch release that was known when the catalog was written.
    pub patch: Version,
    /// Whether a release of it was run as a whole, so that barque deploys it.
    pub deployable: bool,
    /// Minor release of etcd that goes with it.
    pub etcd: Minor,
    /// CoreDNS that its release notes name.
    pub coredns: Version,
    /// Version of the pause image.
    pub pause: String,
    /// CNI plugins that it was tested with; `None` where that could not be looked up.
    #[serde(default)]
    pub cni_plugins: Option<Version>,
    /// Minor release of containerd of its time.
    pub containerd: Minor,
    /// The release whose programs' own `--help` the flags of the catalog were compared with (`catalog/help`); `None` when there is no record.
    #[serde(default)]
    pub help: Option<Version>,
    /// When upstream's support ends, or that it has ended; `None` when no date is known.
    #[serde(default)]
    pub support_ends: Option<String>,
    /// What changed for whoever installs it.
    pub notes: Text,
    /// Where the facts come from.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    minor: Vec<MinorEntry>,
}

/// A Kubernetes release that the catalog does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kubernetes {minor} is not in the catalog; it has {first} to {last}")]
pub struct UnknownMinor {
    /// The release asked for.
    pub minor: Minor,
    /// The oldest that there is.
    pub first: Minor,
    /// The newest that there is.
    pub last: Minor,
}

/// Every release, oldest first.
pub fn minors() -> &'static [MinorEntry] {
    &MINORS
}

/// The oldest and the newest release of the catalog.
pub fn minor_range() -> (Minor, Minor) {
    let minors = minors();
    (minors[0].minor, minors[minors.len() - 1].minor)
}

/// The entry of a Kubernetes release.
pub fn minor(minor: Minor) -> Result<&'static MinorEntry, UnknownMinor> {
    let (first, last) = minor_range();
    MINORS.iter().find(|entry| entry.minor == minor).ok_or(UnknownMinor { minor, first, last })
}

impl MinorEntry {
    /// The release of `subject` that goes with this one; `None` where the catalog follows no releases.
    pub fn release_of(&self, subject: Subject) -> Option<Minor> {
        match subject {
            Subject::Component(Component::Etcd) => Some(self.etcd),
            Subject::Component(Component::Containerd) => Some(self.containerd),
            Subject::Coredns => Some(Minor::of(self.coredns)),
            _ if subject.is_kubernetes() => Some(self.minor),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::supported;

    #[test]
    fn releases_are_whole_and_in_order_without_a_gap() {
        let minors = toml::from_str::<Table>(DATA).unwrap().minor;
        assert_eq!((minors[0].minor, minors.last().unwrap().minor), (Minor::new(1, 31), Minor::new(1, 37)));
        for pair in minors.windows(2) {
            assert_eq!(pair[0].minor.minor + 1, pair[1].minor.minor);
        }
        for entry in &minors {
            assert_eq!(Minor::of(entry.patch), entry.minor);
            entry.notes.check(&entry.minor.to_string());
        }
    }

    #[test]
    fn deployable_is_what_the_release_catalog_holds() {
        for entry in minors() {
            let supported = supported().into_iter().any(|version| Minor::of(version) == entry.minor);
            assert_eq!(entry.deployable, supported, "{}", entry.minor);
        }
    }

    #[test]
    fn companions_follow_the_release() {
        let old = minor(Minor::new(1, 33)).unwrap();
        assert_eq!(old.release_of(Subject::Component(Component::Etcd)), Some(Minor::new(3, 5)));
        assert_eq!(old.release_of(Subject::Component(Component::Kubelet)), Some(Minor::new(1, 33)));
        assert_eq!(old.release_of(Subject::Kernel), None);
        assert!(minor(Minor::new(1, 30)).unwrap_err().to_string().contains("1.31 to 1.37"));
    }
}
