//! Releases that barque can deploy.

use std::sync::LazyLock;

use barque_model::{Release, Version};
use serde::Deserialize;

const DATA: &str = include_str!("../../../catalog/releases.toml");

static RELEASES: LazyLock<Vec<Release>> = LazyLock::new(|| {
    let mut releases = parse(DATA).expect("catalog/releases.toml is embedded and a test parses it");
    releases.sort_by_key(|release| std::cmp::Reverse(release.kubernetes));
    releases
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    release: Vec<Release>,
}

/// A Kubernetes version that the catalog does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kubernetes {version} is not in the catalog; it has {known}")]
pub struct UnknownRelease {
    /// The version asked for.
    pub version: Version,
    /// The versions there are, newest first, joined by commas.
    pub known: String,
}

/// The component versions that go with `kubernetes`.
pub fn release(kubernetes: &Version) -> Result<Release, UnknownRelease> {
    RELEASES.iter().find(|release| release.kubernetes == *kubernetes).cloned().ok_or_else(|| {
        let known: Vec<String> = supported().iter().map(ToString::to_string).collect();
        UnknownRelease { version: *kubernetes, known: known.join(", ") }
    })
}

/// Kubernetes versions that can be deployed, newest first.
pub fn supported() -> Vec<Version> {
    RELEASES.iter().map(|release| release.kubernetes).collect()
}

fn parse(text: &str) -> Result<Vec<Release>, toml::de::Error> {
    toml::from_str::<Table>(text).map(|table| table.release)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn embedded_data_parse_and_name_each_version_once() {
        let releases = parse(DATA).unwrap();
        let versions: BTreeSet<Version> = releases.iter().map(|release| release.kubernetes).collect();
        assert_eq!(versions.len(), releases.len());
        assert!(!releases.is_empty());
    }

    #[test]
    fn a_known_version_has_its_companions() {
        let release = release(&Version::new(1, 37, 2)).unwrap();
        assert_eq!(release.etcd, Version::new(3, 6, 14));
        assert_eq!(release.pause, Version::new(3, 10, 2));
        assert!(supported().is_sorted_by(|left, right| left > right));
    }

    #[test]
    fn an_unknown_version_is_told_what_there_is() {
        let error = release(&Version::new(1, 6, 0)).unwrap_err();
        assert_eq!(error.version, Version::new(1, 6, 0));
        assert!(error.to_string().contains("1.37.2"), "{error}");
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        assert!(parse("[[release]]\nkubernetes = \"1.37.2\"\n").is_err());
        assert!(parse(&format!("{DATA}\ncni = \"1.0.0\"\n")).is_err());
    }
}
