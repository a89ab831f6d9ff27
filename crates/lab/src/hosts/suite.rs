//! The releases of Debian that a host can run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A release of Debian, by the name that its archive has for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    #[default]
    Trixie,
}

impl Suite {
    /// Its name in the archive, in topologies and in `VERSION_CODENAME` of os-release.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn its_name_is_what_topologies_have() {
        for suite in [Suite::Bookworm, Suite::Trixie] {
            assert_eq!(serde_json::to_value(suite).unwrap(), suite.name());
        }
        assert!(serde_json::from_str::<Suite>("\"sid\"").is_err());
    }
}
