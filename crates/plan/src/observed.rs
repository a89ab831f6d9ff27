//! What an agent saw of a resource.

use barque_model::{Digest, Owner};
use serde::{Deserialize, Serialize};

/// State of one resource on a host. The variant matches the resource's kind, or is [`Observed::Absent`] or [`Observed::Other`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observed {
    /// Nothing is there.
    Absent,
    /// Something of another kind is in its place, such as a directory where a file belongs.
    Other {
        /// What it is.
        what: String,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner.
        owner: Owner,
    },
    /// A regular file.
    File {
        /// Digest of its content, any run identifier replaced by [`barque_model::RUN_MARKER`].
        digest: Digest,
        /// Permission bits.
        mode: u32,
        /// Owner.
        owner: Owner,
    },
    /// A program's link.
    Binary {
        /// The blob that the link leads to, when it leads into the store.
        target: Option<Digest>,
        /// Whether the blob in the store is unharmed (size and times as recorded, or hashed again).
        intact: bool,
    },
    /// A unit.
    Unit(UnitState),
    /// A user exists.
    User,
    /// A kernel parameter.
    Sysctl {
        /// Its present value.
        value: String,
        /// Whether the kernel lets root change it here; in containers many belong to the machine around.
        writable: bool,
    },
    /// A package.
    Package {
        /// Installed archives, as `(name, version)`, of those asked about.
        installed: Vec<(String, String)>,
    },
    /// An image is there.
    Image {
        /// Digest of the archive it was imported from, when barque imported it.
        digest: Option<Digest>,
    },
    /// The names resolve to the address through `/etc/hosts`.
    HostsLine,
}

/// State of a systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Whether systemd knows the unit.
    pub loaded: bool,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// `ActiveState`, such as `active`, `activating` or `failed`.
    pub active: String,
    /// `SubState`, such as `running`.
    pub sub: String,
    /// Fingerprint recorded when barque last started it.
    pub fingerprint: Option<Digest>,
    /// `NRestarts` since it was last started by hand.
    pub restarts: u32,
    /// `ActiveEnterTimestampMonotonic`, microseconds since boot.
    pub active_since: u64,
}

impl UnitState {
    /// Whether its process runs.
    pub fn is_active(&self) -> bool {
        self.active == "active" || self.active == "reloading"
    }
}
