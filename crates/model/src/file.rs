//! A file that must lie on a host.

use serde::{Deserialize, Serialize};

use crate::{Digest, SecretBytes};

/// Stands in rendered content where the agent writes the identifier of the run that changes the file.
///
/// Two contents that differ in this identifier only are equal, so a later run does not rewrite every file.
pub const RUN_MARKER: &str = "@barque-run@";

/// User and group that own a file, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// User name.
    pub user: String,
    /// Group name.
    pub group: String,
}

impl Owner {
    /// `root:root`.
    pub fn root() -> Self {
        Self::of("root")
    }

    /// A user and the group of the same name.
    pub fn of(name: &str) -> Self {
        Self { user: name.to_owned(), group: name.to_owned() }
    }
}

/// A file with its content, as `render` and `pki` produce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Absolute path on the host.
    pub path: String,
    /// Content; may contain [`RUN_MARKER`].
    pub content: SecretBytes,
    /// Permission bits, such as `0o600`.
    pub mode: u32,
    /// Owner.
    pub owner: Owner,
    /// Whether the content must not be shown (diffs, logs, events).
    pub sensitive: bool,
}

impl HostFile {
    /// A readable file of root, mode 0644.
    pub fn public(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: SecretBytes::new(content), mode: 0o644, owner: Owner::root(), sensitive: false }
    }

    /// A secret of root, mode 0600.
    pub fn secret(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { mode: 0o600, sensitive: true, ..Self::public(path, content) }
    }

    /// The same file with another mode.
    #[must_use]
    pub fn with_mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// The same file with another owner.
    #[must_use]
    pub fn owned_by(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// Digest of the content as rendered, that is with [`RUN_MARKER`] in place.
    pub fn digest(&self) -> Digest {
        Digest::of(self.content.expose())
    }
}
