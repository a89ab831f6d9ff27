//! The state of a resource before a change: what undo needs.

use barque_model::{Digest, Owner};
use serde::{Deserialize, Serialize};

use crate::UnitState;

/// State of a resource before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Prior {
    /// Nothing was there.
    Absent,
    /// A file, whose content lies at `/var/lib/barque/prior/<digest>`.
    File {
        /// Digest of the content, byte for byte.
        digest: Digest,
        /// Permission bits.
        mode: u32,
        /// Owner.
        owner: Owner,
    },
    /// A symbolic link.
    Link {
        /// Where it led.
        target: String,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner.
        owner: Owner,
    },
    /// A unit.
    Unit {
        /// Its state.
        state: UnitState,
    },
    /// A user that existed.
    User,
    /// A kernel parameter.
    Sysctl {
        /// Its value.
        value: String,
    },
    /// Packages that were installed, of those asked about.
    Package {
        /// Name and version.
        installed: Vec<(String, String)>,
    },
    /// An image that was there.
    Image {
        /// The archive that it came from, when barque had imported it.
        digest: Option<Digest>,
    },
    /// Something that cannot be brought back.
    Other {
        /// What it was.
        what: String,
    },
}

impl Prior {
    /// Whether nothing was there: to go back is to remove.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}
