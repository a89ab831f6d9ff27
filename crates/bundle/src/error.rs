//! What can be wrong with a bundle.

use std::io;
use std::path::{Path, PathBuf};

use barque_model::Digest;

use crate::{Architecture, MANIFEST_FORMAT};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no manifest.
    #[error("`{path}` is not a bundle: it has no manifest.json")]
    NotABundle {
        /// The folder or file.
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
    /// The manifest is not the one that was written.
    #[error("manifest `{path}` was changed: its SHA-256 is {actual} in place of {expected}")]
    ManifestChanged {
        /// The manifest.
        path: PathBuf,
        /// What it says of itself.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The manifest's format and its checksum do not fit together.
    #[error("manifest `{path}` was changed: one of format {format} cannot have {checksum}")]
    MisplacedChecksum {
        /// The manifest.
        path: PathBuf,
        /// The format that it names.
        format: u32,
        /// `a checksum` or `no checksum`.
        checksum: &'static str,
    },
    /// A bundle's file ends too early.
    #[error("bundle file `{path}` is cut off in {what}: {found} of {expected} bytes are there")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is cut off.
        what: String,
        /// Size of that in bytes.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// What holds a bundle's file together is not as it was written.
    #[error("bundle file `{path}` is damaged: {what} at byte {at} is not as it was written")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
        /// Where, in bytes from the beginning.
        at: u64,
    },
    /// A bundle's file has an entry that no bundle has.
    #[error("bundle file `{path}` is refused because of its entry `{entry}`: {why}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// Why.
        why: &'static str,
    },
    /// A bundle of one file is not changed.
    #[error("bundle `{path}` is one file, which is never changed")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// A file would be overwritten that is no bundle.
    #[error("`{path}` exists and is not a bundle file")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder would become a bundle that has other things in it.
    #[error("`{path}` has other things in it, and is not a bundle")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Another barque writes the same file.
    #[error("another barque writes `{path}`")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file system is too full.
    #[error("no room for `{path}`: it takes {needed} bytes and {free} are free")]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// An image's content is not an OCI image layout.
    #[error("image `{name}` in bundle `{path}` is not an OCI image layout")]
    NotAnImage {
        /// The bundle.
        path: PathBuf,
        /// The image.
        name: String,
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
                "run `barque lab artifacts` to obtain what is missing, or name another bundle; `barque bundle show` lists what one holds"
                    .to_owned(),
            ),
            Self::UnknownFormat { .. } => {
                Some("make the bundle anew with `barque lab artifacts`, or use the barque that wrote it".to_owned())
            }
            Self::Malformed { path, .. } | Self::ManifestChanged { path, .. } | Self::MisplacedChecksum { path, .. } => Some(format!(
                "copy the bundle again from where it came; or `rm {}` and make it anew with `barque lab artifacts`",
                path.display()
            )),
            Self::BlobMissing { .. } | Self::Corrupted { .. } | Self::Undecodable { .. } => {
                Some("run `barque bundle verify`, which names everything that is wrong, and copy those files again".to_owned())
            }
            Self::Truncated { path, .. } | Self::Damaged { path, .. } => {
                Some(format!("copy the file again from where it came; `sha256sum {}` tells whether both are the same", path.display()))
            }
            Self::Refused { .. } => Some("make the file from a bundle's folder with `barque bundle pack DIR FILE`".to_owned()),
            Self::ReadOnly { path } => {
                Some(format!("unpack it with `mkdir DIR && tar -xf {} -C DIR`, and name the folder", path.display()))
            }
            Self::Exists { path } => Some(format!("name another file, or `rm {}` if it is not needed", path.display())),
            Self::Foreign { .. } => Some("name a new or empty folder, or one with a bundle".to_owned()),
            Self::Busy { .. } => Some("wait for it; `ps -C barque` shows it".to_owned()),
            Self::NoSpace { path, .. } => Some(format!("free some space: `df -h {}` shows the file system", parent(path).display())),
            Self::NotAnImage { .. } => Some("make the image again with `barque lab artifacts`".to_owned()),
            Self::Io { .. } => None,
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
