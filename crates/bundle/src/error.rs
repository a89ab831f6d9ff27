//! What can be wrong with a bundle.

use std::io;
use std::path::PathBuf;

use barque_model::Digest;

use crate::{Architecture, MANIFEST_FORMAT};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The folder holds no manifest.
    #[error("`{path}` is not a bundle: it has no manifest.json")]
    NotABundle {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest was written by another version of barque.
    #[error("manifest `{path}` has format {found}, this barque reads format {MANIFEST_FORMAT}")]
    UnknownFormat {
        /// The manifest.
        path: PathBuf,
        /// The format that it names.
        found: u32,
    },
    /// The manifest is not what barque writes.
    #[error("manifest `{path}` is malformed at line {line}, column {column}")]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 where the line is empty.
        column: usize,
        /// What was expected there.
        #[source]
        source: serde_json::Error,
    },
    /// The bundle does not hold an artifact that is asked for.
    #[error("bundle `{path}` has no {kind} `{name}` {version} for {architecture}")]
    Missing {
        /// The bundle.
        path: PathBuf,
        /// `binary`, `image` or `package`.
        kind: &'static str,
        /// Name of the artifact.
        name: String,
        /// Its version.
        version: String,
        /// Its architecture.
        architecture: Architecture,
    },
    /// The manifest names a blob that is not there.
    #[error("blob `{path}` is missing")]
    BlobMissing {
        /// Where it should lie.
        path: PathBuf,
    },
    /// A blob is not what the manifest says.
    #[error("blob `{path}` is corrupted: its {content} has SHA-256 {actual} in place of {expected}")]
    Corrupted {
        /// The blob.
        path: PathBuf,
        /// `compressed content` or `uncompressed content`.
        content: &'static str,
        /// What the manifest says.
        expected: Digest,
        /// What lies there.
        actual: Digest,
    },
    /// A blob has the right digest and still cannot be decompressed: it was stored wrongly.
    #[error("blob `{path}` cannot be decompressed")]
    Undecodable {
        /// The blob.
        path: PathBuf,
        /// What zstd says.
        #[source]
        source: io::Error,
    },
    /// The operating system refused; the source names the path.
    #[error("cannot {action}")]
    Io {
        /// What was tried, such as ``read bundle `x` ``.
        action: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl BundleError {
    /// What to do about it: one sentence that names a command; none where the operating system's message says all.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotABundle { .. } | Self::Missing { .. } => Some(
                "run `barque bundle` to make a bundle from the official downloads, or `barque lab artifacts` to build one on this machine"
                    .to_owned(),
            ),
            Self::UnknownFormat { .. } => Some("make the bundle anew with `barque bundle`, or use the barque that wrote it".to_owned()),
            Self::Malformed { path, .. } => {
                Some(format!("`rm {}`, then make the bundle anew with `barque bundle` or `barque lab artifacts`", path.display()))
            }
            Self::BlobMissing { path } | Self::Corrupted { path, .. } | Self::Undecodable { path, .. } => {
                Some(format!("`rm -f {}`, then run `barque bundle` or `barque lab artifacts` to fetch it again", path.display()))
            }
            Self::Io { .. } => None,
        }
    }
}
