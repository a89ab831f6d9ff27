//! Release versions of components.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A release version `major.minor.patch`, without a leading `v` in its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

/// A text that is not `major.minor.patch`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of the form 1.37.2")]
pub struct InvalidVersion(pub String);

impl Version {
    /// Makes a version from its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidVersion(text.to_owned());
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(|part| {
            let digits_only = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits_only { part.parse::<u16>().map_err(|_| invalid()) } else { Err(invalid()) }
        });
        let mut next = || numbers.next().unwrap_or_else(|| Err(invalid()));
        let version = Self::new(next()?, next()?, next()?);
        if numbers.next().is_some() { Err(invalid()) } else { Ok(version) }
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints() {
        assert_eq!("v1.37.2".parse(), Ok(Version::new(1, 37, 2)));
        assert_eq!(Version::new(1, 37, 2).to_string(), "1.37.2");
        for bad in ["1.37", "1.37.2.1", "1..2", "one", "1.37.x", ""] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
