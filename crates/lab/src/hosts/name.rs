//! Names of labs and of what a lab creates in the kernel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest name of a network interface (IFNAMSIZ less its final zero).
const INTERFACE_LENGTH: usize = 15;

/// Why a text is not the name of a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lab name: 1 to 10 characters, a-z and 0-9, beginning with a letter")]
pub struct InvalidLabName(String);

/// A lab's name: the prefix of every interface, namespace and cgroup that the lab makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

impl LabName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lab's bridge. The underscore keeps it apart from every host's interface.
    pub(crate) fn bridge(&self) -> String {
        format!("{}_br", self.0)
    }

    /// The nft table (bridge family) with the lab's cuts.
    pub(crate) fn table(&self) -> String {
        format!("{}_lab", self.0)
    }

    /// The host's end of the pair on the bridge: `LAB-HOST`, or `LAB-` and four hexadecimal digits if that is too long.
    pub(crate) fn interface(&self, host: &str) -> String {
        let full = format!("{}-{host}", self.0);
        if full.len() <= INTERFACE_LENGTH {
            return full;
        }
        format!("{}-{}", self.0, &hex::encode(Sha256::digest(host))[..4])
    }

    /// The prefix of names that belong to hosts of this lab.
    pub(crate) fn prefix(&self) -> String {
        format!("{}-", self.0)
    }

    /// The host's network namespace, and its name as a machine.
    pub(crate) fn machine(&self, host: &str) -> String {
        format!("{}-{host}", self.0)
    }

    /// The host's control group.
    pub(crate) fn cgroup(&self, host: &str) -> String {
        format!("lab-{}-{host}", self.0)
    }
}

impl FromStr for LabName {
    type Err = InvalidLabName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=10).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidLabName(text.to_owned())) }
    }
}

impl TryFrom<String> for LabName {
    type Error = InvalidLabName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> Self {
        name.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn invalid_names_are_refused() {
        for text in ["", "Demo", "1demo", "demo-1", "elevenchars", "dé"] {
            assert!(text.parse::<LabName>().is_err(), "{text}");
        }
        for text in ["d", "demo", "tenchars10"] {
            assert!(text.parse::<LabName>().is_ok(), "{text}");
        }
    }

    #[test]
    fn every_interface_fits_and_is_unique() {
        let lab: LabName = "tenchars10".parse().unwrap();
        let mut seen = BTreeSet::from([lab.bridge()]);
        for number in 0..80 {
            for stem in ["m", "a-rather-long-host-name-"] {
                let name = lab.interface(&format!("{stem}{number}"));
                assert!(name.len() <= INTERFACE_LENGTH && name.starts_with("tenchars10-"), "{name}");
                assert!(seen.insert(name.clone()), "{name} twice");
            }
        }
        assert_eq!("demo".parse::<LabName>().unwrap().interface("lb1"), "demo-lb1");
    }
}
