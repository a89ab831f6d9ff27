//! Names that appear in files, certificates and URLs, checked once when they are made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Empty, or longer than 63 characters.
    #[error("`{0}` has {1} characters; a name has 1 to 63")]
    Length(String, usize),
    /// A character outside `a-z`, `0-9`, `-`, or a hyphen at an end (RFC 1123, section 2.1).
    #[error("`{0}` is not a DNS label: only a-z, 0-9 and `-` inside are allowed")]
    Characters(String),
    /// Not a run identifier.
    #[error("`{0}` is not a run identifier (such as 20261125T020304Z-1a2b)")]
    Run(String),
}

fn check_label(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() || text.len() > 63 {
        return Err(InvalidName::Length(text.to_owned(), text.chars().count()));
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.bytes().all(allowed) || text.starts_with('-') || text.ends_with('-') {
        return Err(InvalidName::Characters(text.to_owned()));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$documentation:meta])* $name:ident, $check:path) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

name_type!(
    /// A host's name in the cluster file; it is also its Kubernetes node name. A DNS label (RFC 1123).
    HostName,
    check_label
);
name_type!(
    /// The cluster's name. A DNS label (RFC 1123).
    ClusterName,
    check_label
);
name_type!(
    /// Name of an add-on. A DNS label (RFC 1123), so that it can be the value of a label.
    AddonName,
    check_label
);
name_type!(
    /// A run of barque: UTC start time and four random hexadecimal digits, such as `20261125T020304Z-1a2b`.
    RunId,
    check_run
);

fn check_run(text: &str) -> Result<(), InvalidName> {
    let shape = text.bytes().enumerate().all(|(index, byte)| match index {
        8 => byte == b'T',
        15 => byte == b'Z',
        16 => byte == b'-',
        17..=20 => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        _ => byte.is_ascii_digit(),
    });
    if text.len() == 21 && shape { Ok(()) } else { Err(InvalidName::Run(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_rfc_1123() {
        for good in ["m1", "a", "0", "node-17", &"x".repeat(63)] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(64)] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn run_identifiers_have_one_shape() {
        assert!("20261125T020304Z-1a2b".parse::<RunId>().is_ok());
        for bad in ["20261125T020304Z-1A2b", "20261125T020304Z", "x0261125T020304Z-1a2b"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
