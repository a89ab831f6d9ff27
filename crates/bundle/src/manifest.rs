//! The manifest of a bundle: one list for every source, so that a user's bundle and the lab's are the same thing.

use std::fmt;

use barque_model::Digest;
use serde::{Deserialize, Serialize};

/// Version of the manifest's format. Format 1 had neither a checksum nor licences; it is still read.
pub const MANIFEST_FORMAT: u32 = 2;
/// The distribution of packages that bring all their libraries, for hosts of any other: archives (tar) with a folder each,
/// see `barque_model::PORTABLE_FOLDER`.
pub const ANY_DISTRIBUTION: &str = "any";
/// SPDX's word for a licence that nobody has looked up.
pub const UNKNOWN_LICENCE: &str = "NOASSERTION";

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub(crate) format: u32,
    /// SHA-256 of the manifest's text with zeros in place of this digest. Format 1 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Digest>,
    /// The artifacts, sorted by kind, name, version and architecture.
    pub(crate) artifacts: Vec<Artifact>,
}

/// One artifact. Its content lies in `blobs/<digest>.zst`, compressed with zstd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Name: the program (`kubelet`), the image's reference, or the Debian package.
    pub name: String,
    /// Version: `1.37.2` for programs and images, the distribution's own form for packages.
    pub version: String,
    /// Architecture.
    pub architecture: Architecture,
    /// SHA-256 of the uncompressed content.
    pub digest: Digest,
    /// Size of the uncompressed content in bytes.
    pub size: u64,
    /// SHA-256 of the compressed content.
    pub compressed_digest: Digest,
    /// Size of the compressed content in bytes.
    pub compressed_size: u64,
    /// Where it came from, for people: a URL pattern or a recipe, never a mirror's host.
    pub source: String,
    /// SPDX expression of its licence; [`UNKNOWN_LICENCE`] where nobody has looked it up.
    #[serde(default = "unknown_licence")]
    pub licence: String,
}

/// Kinds of artifacts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ArtifactKind {
    /// A statically linked program.
    Binary,
    /// An OCI image layout in a tar archive; `name` is the reference without tag, `version` the tag without `v`.
    Image,
    /// A distribution package that is part of what `for_package` needs on a minimal system.
    Package {
        /// Distribution and release, such as `debian-13`, or [`ANY_DISTRIBUTION`].
        distribution: String,
        /// The packages that need it, such as `haproxy`.
        for_packages: Vec<String>,
    },
}

/// Processor architecture, in Go's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl ArtifactKind {
    /// `binary`, `image` or `package`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Image => "image",
            Self::Package { .. } => "package",
        }
    }

    /// The distribution of a package.
    pub fn distribution(&self) -> Option<&str> {
        match self {
            Self::Binary | Self::Image => None,
            Self::Package { distribution, .. } => Some(distribution),
        }
    }
}

/// Such as `binary kubelet 1.37.2 for amd64`.
impl fmt::Display for Artifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, version, architecture, .. } = self;
        write!(formatter, "{} {name} {version} for {architecture}", kind.as_str())
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

fn unknown_licence() -> String {
    UNKNOWN_LICENCE.to_owned()
}
