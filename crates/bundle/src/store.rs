//! The folder of a bundle.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use barque_model::Digest;
use fs_err as fs;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{Architecture, Artifact, ArtifactKind, BundleError, MANIFEST_FORMAT, Manifest};

/// A level that packs Go programs to about 28 % at some 60 MB/s per core; level 3 saves a third of the time and costs a tenth in size.
const COMPRESSION_LEVEL: i32 = 6;
/// Blobs and manifests hold nothing secret; a bundle is copied between users.
const FILE_MODE: u32 = 0o644;
/// Size of the pieces in which content is read, in bytes.
pub(crate) const PIECE: usize = 256 * 1024;

/// A bundle: `ROOT/manifest.json` and `ROOT/blobs/<SHA-256 of the uncompressed content>.zst`.
///
/// A change is on disk when its method returns. Two processes must not change one bundle at the same time; readers are
/// never disturbed, as every file appears by a rename.
#[derive(Debug, Clone)]
pub struct Bundle {
    root: PathBuf,
    manifest: Manifest,
}

/// What [`Bundle::add`] needs to know about new content; digests and sizes are its own work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// See [`Artifact::kind`].
    pub kind: ArtifactKind,
    /// See [`Artifact::name`].
    pub name: String,
    /// See [`Artifact::version`].
    pub version: String,
    /// See [`Artifact::architecture`].
    pub architecture: Architecture,
    /// See [`Artifact::source`].
    pub source: String,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

pub(crate) fn io_error(action: impl Into<String>) -> impl FnOnce(io::Error) -> BundleError {
    let action = action.into();
    move |source| BundleError::Io { action, source }
}

impl Bundle {
    /// Opens the bundle in the folder `root` without looking at its blobs.
    ///
    /// Fails with [`BundleError::NotABundle`], [`BundleError::UnknownFormat`] or [`BundleError::Malformed`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BundleError> {
        let root = root.into();
        let path = root.join("manifest.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BundleError::NotABundle { path: root }),
            Err(source) => return Err(io_error(format!("read bundle `{}`", root.display()))(source)),
        };
        let malformed =
            |source: serde_json::Error| BundleError::Malformed { path: path.clone(), line: source.line(), column: source.column(), source };
        // The format first: a manifest of another format need not have our fields.
        let FormatOnly { format } = serde_json::from_slice(&text).map_err(malformed)?;
        if format != MANIFEST_FORMAT {
            return Err(BundleError::UnknownFormat { path, found: format });
        }
        let mut manifest: Manifest = serde_json::from_slice(&text).map_err(malformed)?;
        manifest.artifacts.sort();
        Ok(Self { root, manifest })
    }

    /// Opens the bundle in the folder `root`, or makes an empty one there.
    pub fn create_or_open(root: impl Into<PathBuf>) -> Result<Self, BundleError> {
        let root = root.into();
        match Self::open(&root) {
            Err(BundleError::NotABundle { .. }) => {}
            done => return done,
        }
        fs::create_dir_all(root.join("blobs")).map_err(io_error(format!("create bundle `{}`", root.display())))?;
        let bundle = Self { root, manifest: Manifest { format: MANIFEST_FORMAT, artifacts: Vec::new() } };
        bundle.save()?;
        Ok(bundle)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything in it, sorted by kind, name, version and architecture.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.manifest.artifacts
    }

    /// The program `name`; fails with [`BundleError::Missing`].
    pub fn binary(&self, name: &str, version: impl fmt::Display, architecture: Architecture) -> Result<&Artifact, BundleError> {
        self.find(&ArtifactKind::Binary, name, &version.to_string(), architecture)
    }

    /// The image with the reference `name` (without tag); fails with [`BundleError::Missing`].
    pub fn image(&self, name: &str, version: impl fmt::Display, architecture: Architecture) -> Result<&Artifact, BundleError> {
        self.find(&ArtifactKind::Image, name, &version.to_string(), architecture)
    }

    /// All packages that `for_package` needs on a minimal system of `distribution`, itself among them, sorted by name.
    /// Empty where the bundle carries none.
    pub fn packages(&self, distribution: &str, for_package: &str, architecture: Architecture) -> Vec<&Artifact> {
        let wanted = |artifact: &&Artifact| match &artifact.kind {
            ArtifactKind::Package { distribution: of, for_packages } => {
                of == distribution && artifact.architecture == architecture && for_packages.iter().any(|package| package == for_package)
            }
            ArtifactKind::Binary | ArtifactKind::Image => false,
        };
        let mut packages: Vec<_> = self.manifest.artifacts.iter().filter(wanted).collect();
        packages.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));
        packages
    }

    fn find(&self, kind: &ArtifactKind, name: &str, version: &str, architecture: Architecture) -> Result<&Artifact, BundleError> {
        let same = |artifact: &&Artifact| is_same(artifact, kind, name, version, architecture);
        self.manifest.artifacts.iter().find(same).ok_or_else(|| BundleError::Missing {
            path: self.root.clone(),
            kind: kind_word(kind),
            name: name.to_owned(),
            version: version.to_owned(),
            architecture,
        })
    }

    /// Stores `content`, replacing an artifact of the same kind, name, version and architecture.
    ///
    /// Streams: memory use does not depend on the size. The bytes on disk depend on the content only, not on the number of cores.
    pub fn add(&mut self, mut content: impl Read, description: Description) -> Result<Artifact, BundleError> {
        let blobs = self.root.join("blobs");
        let storing = || format!("store {} `{}` in bundle `{}`", kind_word(&description.kind), description.name, self.root.display());
        let mut file = temporary_in(&blobs).map_err(io_error(storing()))?;
        let (digest, size, compressed_digest, compressed_size) =
            compress(&mut content, file.as_file_mut(), cores()).map_err(io_error(storing()))?;
        file.as_file().sync_all().map_err(io_error(storing()))?;
        file.persist(self.blob_path(&digest)).map_err(|error| io_error(storing())(error.error))?;

        let Description { mut kind, name, version, architecture, source } = description;
        if let ArtifactKind::Package { for_packages, .. } = &mut kind {
            for_packages.sort();
            for_packages.dedup();
        }
        let artifact = Artifact { kind, name, version, architecture, digest, size, compressed_digest, compressed_size, source };
        let replaced = self.take(&artifact);
        self.manifest.artifacts.push(artifact.clone());
        self.manifest.artifacts.sort();
        self.save()?;
        self.drop_blobs(&replaced)?;
        Ok(artifact)
    }

    /// Stores the file `path`; see [`Bundle::add`].
    pub fn add_file(&mut self, path: &Path, description: Description) -> Result<Artifact, BundleError> {
        let file = fs::File::open(path).map_err(io_error(format!("store {} `{}`", kind_word(&description.kind), description.name)))?;
        self.add(file, description)
    }

    /// Takes out the artifact of the same kind, name, version and architecture; its blob goes with the last artifact that uses it.
    /// No error if it is not there.
    pub fn remove(&mut self, artifact: &Artifact) -> Result<(), BundleError> {
        let removed = self.take(artifact);
        if removed.is_empty() {
            return Ok(());
        }
        self.save()?;
        self.drop_blobs(&removed)
    }

    /// Where the blob of a digest lies.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(format!("{digest}.zst"))
    }

    /// Opens the compressed content; fails with [`BundleError::BlobMissing`].
    pub fn open_blob(&self, digest: &Digest) -> Result<std::fs::File, BundleError> {
        let path = self.blob_path(digest);
        match fs::File::open(&path) {
            Ok(file) => Ok(file.into_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BundleError::BlobMissing { path }),
            Err(source) => Err(io_error("read bundle")(source)),
        }
    }

    /// Opens the uncompressed content. What is read is not verified; see [`Bundle::verify`].
    pub fn open_content(&self, artifact: &Artifact) -> Result<impl Read + use<>, BundleError> {
        let file = self.open_blob(&artifact.digest)?;
        zstd::Decoder::new(file).map_err(|source| BundleError::Undecodable { path: self.blob_path(&artifact.digest), source })
    }

    fn take(&mut self, like: &Artifact) -> Vec<Artifact> {
        let same = |artifact: &Artifact| is_same(artifact, &like.kind, &like.name, &like.version, like.architecture);
        self.manifest.artifacts.extract_if(.., |artifact| same(artifact)).collect()
    }

    fn drop_blobs(&self, removed: &[Artifact]) -> Result<(), BundleError> {
        for Artifact { digest, .. } in removed {
            if self.manifest.artifacts.iter().any(|artifact| artifact.digest == *digest) {
                continue;
            }
            match fs::remove_file(self.blob_path(digest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove an unused blob")(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<(), BundleError> {
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(&self.manifest)?;
            text.push(b'\n');
            let mut file = temporary_in(&self.root)?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(self.root.join("manifest.json"))?;
            Ok(())
        };
        write().map_err(io_error(format!("write the manifest of bundle `{}`", self.root.display())))
    }
}

fn is_same(artifact: &Artifact, kind: &ArtifactKind, name: &str, version: &str, architecture: Architecture) -> bool {
    let same_kind = match (&artifact.kind, kind) {
        (ArtifactKind::Binary, ArtifactKind::Binary) | (ArtifactKind::Image, ArtifactKind::Image) => true,
        (ArtifactKind::Package { distribution: left, .. }, ArtifactKind::Package { distribution: right, .. }) => left == right,
        _ => false,
    };
    same_kind && artifact.name == name && artifact.version == version && artifact.architecture == architecture
}

fn kind_word(kind: &ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Binary => "binary",
        ArtifactKind::Image => "image",
        ArtifactKind::Package { .. } => "package",
    }
}

fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".new-").permissions(std::fs::Permissions::from_mode(FILE_MODE)).tempfile_in(folder)
}

/// Compresses `content` into `target`; answers digest and size before and after.
fn compress(content: &mut impl Read, target: &mut impl Write, workers: u32) -> io::Result<(Digest, u64, Digest, u64)> {
    let mut compressed = HashingWriter::new(BufWriter::with_capacity(PIECE, target));
    let mut encoder = zstd::Encoder::new(&mut compressed, COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    // Workers, even if only one: then the output is the same for every number of them.
    encoder.multithread(workers)?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let count = match content.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&piece[..count]);
        encoder.write_all(&piece[..count])?;
        size += count as u64;
    }
    encoder.finish()?;
    compressed.inner.flush()?;
    let compressed_digest = Digest::from_bytes(compressed.hasher.finalize().into());
    Ok((Digest::from_bytes(hasher.finalize().into()), size, compressed_digest, compressed.size))
}

/// More than eight workers wait for the hashing.
fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    u32::try_from(cores).unwrap_or(1)
}

struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W> HashingWriter<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), size: 0 }
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
