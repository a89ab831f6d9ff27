//! Minor releases, such as Kubernetes 1.33 or etcd 3.6.

use std::fmt;
use std::str::FromStr;

use barque_model::Version;
use serde::{Deserialize, Serialize};

/// A minor release `major.minor`, of Kubernetes or of another component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minor {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

/// A text that is no minor release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a release of the form 1.33")]
pub struct InvalidMinor(pub String);

impl Minor {
    /// Makes it from its two numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The minor release that `version` belongs to.
    pub const fn of(version: Version) -> Self {
        Self::new(version.major, version.minor)
    }
}

impl FromStr for Minor {
    type Err = InvalidMinor;

    /// Reads `1.33`, and takes `v1.33` and `1.33.7` for it too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMinor(text.to_owned());
        if let Ok(version) = text.parse::<Version>() {
            return Ok(Self::of(version));
        }
        let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.').ok_or_else(invalid)?;
        let number = |digits: &str| {
            let digits_only = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if digits_only { digits.parse::<u16>().map_err(|_| invalid()) } else { Err(invalid()) }
        };
        Ok(Self::new(number(major)?, number(minor)?))
    }
}

impl TryFrom<String> for Minor {
    type Error = InvalidMinor;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Minor> for String {
    fn from(minor: Minor) -> Self {
        minor.to_string()
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}.{}", self.major, self.minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_name_their_minor_too() {
        for text in ["1.33", "v1.33", "1.33.7"] {
            assert_eq!(text.parse(), Ok(Minor::new(1, 33)), "{text}");
        }
        assert!(Minor::new(1, 9) < Minor::new(1, 31));
        for bad in ["", "1", "1.", "1.x", "1.33.x", "1.+3"] {
            assert!(bad.parse::<Minor>().is_err(), "{bad}");
        }
    }
}
