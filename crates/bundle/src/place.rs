//! Where a bundle lies: a folder, or one file.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barque_model::Digest;
use fs_err as fs;

use crate::BundleError;
use crate::archive::Archive;
use crate::store::io_error;

/// Name of the manifest in a bundle.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Name of the manifest's signature in a bundle, as `minisign` names it.
pub(crate) const SIGNATURE: &str = "manifest.json.minisig";

/// Name of a blob in a bundle.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{digest}.zst")
}

/// A bundle's place.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A folder.
    Folder(PathBuf),
    /// One file.
    File(Arc<Archive>),
}

/// An open blob: `size` bytes of the file from where it stands.
#[derive(Debug)]
pub struct Blob {
    file: std::fs::File,
    size: u64,
}

impl Blob {
    /// Number of its bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The open file, which stands at the blob's first byte. In a bundle of one file others follow after [`Blob::size`] bytes.
    pub fn into_file(self) -> std::fs::File {
        self.file
    }

    /// Its bytes.
    pub fn into_reader(self) -> io::Take<std::fs::File> {
        self.file.take(self.size)
    }
}

impl Place {
    /// Finds out what lies at `root`; of a file, reads where its entries are.
    pub(crate) fn open(root: PathBuf) -> Result<Self, BundleError> {
        match fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::Folder(root)),
            Ok(_) => Ok(Self::File(Arc::new(Archive::open(root)?))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BundleError::NotABundle { path: root }),
            Err(source) => Err(io_error(format!("read bundle `{}`", root.display()))(source)),
        }
    }

    /// The folder or file.
    pub(crate) fn root(&self) -> &Path {
        match self {
            Self::Folder(root) => root,
            Self::File(archive) => archive.path(),
        }
    }

    /// The folder; fails with [`BundleError::ReadOnly`] for a file.
    pub(crate) fn folder(&self) -> Result<&Path, BundleError> {
        match self {
            Self::Folder(root) => Ok(root),
            Self::File(archive) => Err(BundleError::ReadOnly { path: archive.path().to_owned() }),
        }
    }

    /// How people find the entry `name`.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The manifest's text; fails with [`BundleError::NotABundle`].
    pub(crate) fn manifest(&self) -> Result<Vec<u8>, BundleError> {
        self.read(MANIFEST)?.ok_or_else(|| BundleError::NotABundle { path: self.root().to_owned() })
    }

    /// The whole entry `name`; `None` where it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(blob) = self.open_entry(name)? else { return Ok(None) };
        let mut text = Vec::new();
        blob.into_reader().read_to_end(&mut text).map_err(io_error(format!("read `{}`", self.path_of(name).display())))?;
        Ok(Some(text))
    }

    /// Opens the entry `name`; `None` where it is not there.
    pub(crate) fn open_entry(&self, name: &str) -> Result<Option<Blob>, BundleError> {
        let path = self.path_of(name);
        let reading = || io_error(format!("read `{}`", path.display()));
        match self {
            Self::Folder(_) => {
                let metadata = match fs::metadata(&path) {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(source) => return Err(reading()(source)),
                };
                // To open a pipe would wait for ever.
                if !metadata.is_file() {
                    return Err(reading()(io::Error::other("it is no plain file")));
                }
                let file = fs::File::open(&path).map_err(reading())?.into_file();
                Ok(Some(Blob { file, size: metadata.len() }))
            }
            Self::File(archive) => {
                let Some(span) = archive.entries().get(name) else { return Ok(None) };
                // A file of its own for each reader: several read at once.
                let mut file = fs::File::open(archive.path()).map_err(reading())?.into_file();
                file.seek(SeekFrom::Start(span.start)).map_err(reading())?;
                Ok(Some(Blob { file, size: span.size }))
            }
        }
    }

    /// Size of the entry `name` in bytes; `None` where it is not there.
    pub(crate) fn size_of(&self, name: &str) -> Result<Option<u64>, BundleError> {
        match self {
            Self::Folder(root) => match fs::metadata(root.join(name)) {
                Ok(metadata) => Ok(Some(metadata.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(io_error(format!("look at `{}`", self.path_of(name).display()))(source)),
            },
            Self::File(archive) => Ok(archive.entries().get(name).map(|span| span.size)),
        }
    }
}
