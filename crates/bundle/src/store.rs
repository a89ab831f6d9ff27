//! A bundle: a folder, or one file that holds the same.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use barque_model::Digest;
use fs_err as fs;

use crate::compress::{compress, cores};
use crate::place::{Blob, MANIFEST, Place, SIGNATURE, blob_name};
use crate::{Architecture, Artifact, ArtifactKind, BundleError, manifest_text};

/// Blobs and manifests hold nothing secret; a bundle is copied between users.
const FILE_MODE: u32 = 0o644;

/// A bundle: `ROOT/manifest.json` and `ROOT/blobs/<SHA-256 of the uncompressed content>.zst`, or one file made of the same by
/// [`Bundle::pack`], which is read where it lies and never changed.
///
/// A change is on disk when its method returns. Two processes must not change one bundle at the same time; readers are
/// never disturbed, as every file appears by a rename.
#[derive(Debug, Clone)]
pub struct Bundle {
    place: Place,
    /// The manifest as it lies there.
    text: Vec<u8>,
    artifacts: Vec<Artifact>,
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
    /// See [`Artifact::licence`].
    pub licence: String,
}

pub(crate) fn io_error(action: impl Into<String>) -> impl FnOnce(io::Error) -> BundleError {
    let action = action.into();
    move |source| BundleError::Io { action, source }
}

impl Bundle {
    /// Opens the bundle in the folder or file `root` without looking at its blobs.
    ///
    /// Fails with [`BundleError::NotABundle`] or with what is wrong with its manifest; for a file with what is wrong with its form too.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BundleError> {
        let place = Place::open(root.into())?;
        let text = place.manifest()?;
        let artifacts = manifest_text::decode(&text, &place.path_of(MANIFEST))?;
        Ok(Self { place, text, artifacts })
    }

    /// Opens the bundle in the folder `root`, or makes an empty one there.
    pub fn create_or_open(root: impl Into<PathBuf>) -> Result<Self, BundleError> {
        let root = root.into();
        match Self::open(&root) {
            Err(BundleError::NotABundle { .. }) => {}
            done => return done,
        }
        fs::create_dir_all(root.join("blobs")).map_err(io_error(format!("create bundle `{}`", root.display())))?;
        let mut bundle = Self { place: Place::Folder(root), text: Vec::new(), artifacts: Vec::new() };
        bundle.save()?;
        Ok(bundle)
    }

    /// The folder or file.
    pub fn root(&self) -> &Path {
        self.place.root()
    }

    /// Everything in it, sorted by kind, name, version and architecture.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    /// One artifact for each blob, sorted by digest: artifacts of the same content share one.
    pub fn blobs(&self) -> Vec<&Artifact> {
        let mut blobs: Vec<&Artifact> = self.artifacts.iter().collect();
        blobs.sort_by_key(|artifact| artifact.digest);
        blobs.dedup_by_key(|artifact| artifact.digest);
        blobs
    }

    /// Names the whole bundle: the SHA-256 of its manifest, which has the digests of all blobs.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }

    pub(crate) const fn of_parts(place: Place, text: Vec<u8>, artifacts: Vec<Artifact>) -> Self {
        Self { place, text, artifacts }
    }

    /// The manifest as it lies in the bundle.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
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
        let mut packages: Vec<_> = self.artifacts.iter().filter(wanted).collect();
        packages.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));
        packages
    }

    fn find(&self, kind: &ArtifactKind, name: &str, version: &str, architecture: Architecture) -> Result<&Artifact, BundleError> {
        let same = |artifact: &&Artifact| is_same(artifact, kind, name, version, architecture);
        self.artifacts.iter().find(same).ok_or_else(|| BundleError::Missing {
            path: self.root().to_owned(),
            kind: kind.as_str(),
            name: name.to_owned(),
            version: version.to_owned(),
            architecture,
        })
    }

    /// Stores `content`, replacing an artifact of the same kind, name, version and architecture.
    ///
    /// Streams: memory use does not depend on the size. The bytes on disk depend on the content only, not on the number of cores.
    pub fn add(&mut self, mut content: impl Read, description: Description) -> Result<Artifact, BundleError> {
        let root = self.place.folder()?.to_owned();
        let blobs = root.join("blobs");
        let storing = || format!("store {} `{}` in bundle `{}`", description.kind.as_str(), description.name, root.display());
        let mut file = temporary_in(&blobs).map_err(io_error(storing()))?;
        let (digest, size, compressed_digest, compressed_size) =
            compress(&mut content, file.as_file_mut(), cores()).map_err(io_error(storing()))?;
        file.as_file().sync_all().map_err(io_error(storing()))?;
        file.persist(self.blob_path(&digest)).map_err(|error| io_error(storing())(error.error))?;

        let Description { mut kind, name, version, architecture, source, licence } = description;
        if let ArtifactKind::Package { for_packages, .. } = &mut kind {
            for_packages.sort();
            for_packages.dedup();
        }
        let artifact = Artifact { kind, name, version, architecture, digest, size, compressed_digest, compressed_size, source, licence };
        let replaced = self.take(&artifact);
        self.artifacts.push(artifact.clone());
        self.artifacts.sort();
        self.save()?;
        self.drop_blobs(&replaced)?;
        Ok(artifact)
    }

    /// Stores the file `path`; see [`Bundle::add`].
    pub fn add_file(&mut self, path: &Path, description: Description) -> Result<Artifact, BundleError> {
        let file = fs::File::open(path).map_err(io_error(format!("store {} `{}`", description.kind.as_str(), description.name)))?;
        self.add(file, description)
    }

    /// Sets the licence of `artifact`, whose content stays.
    pub fn set_licence(&mut self, artifact: &Artifact, licence: &str) -> Result<(), BundleError> {
        if artifact.licence == licence {
            return Ok(());
        }
        for mut like in self.take(artifact) {
            licence.clone_into(&mut like.licence);
            self.artifacts.push(like);
        }
        self.artifacts.sort();
        self.save()
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

    /// Where the blob of a digest lies; in a bundle of one file, its name in there after the file's own.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.place.path_of(&blob_name(digest))
    }

    /// Opens the compressed content; fails with [`BundleError::BlobMissing`].
    pub fn open_blob(&self, digest: &Digest) -> Result<Blob, BundleError> {
        let name = blob_name(digest);
        self.place.open_entry(&name)?.ok_or_else(|| BundleError::BlobMissing { path: self.place.path_of(&name) })
    }

    /// Opens the uncompressed content. What is read is not verified; see [`Bundle::verify`].
    pub fn open_content(&self, artifact: &Artifact) -> Result<impl Read + use<>, BundleError> {
        let blob = self.open_blob(&artifact.digest)?.into_reader();
        zstd::Decoder::new(blob).map_err(|source| BundleError::Undecodable { path: self.blob_path(&artifact.digest), source })
    }

    /// The same place with another list of artifacts, which is nowhere on disk.
    pub(crate) fn with_artifacts(&self, mut artifacts: Vec<Artifact>) -> Result<Self, BundleError> {
        artifacts.sort();
        let text = manifest_text::encode(&artifacts).map_err(io::Error::from).map_err(io_error("make a manifest"))?;
        Ok(Self { place: self.place.clone(), text, artifacts })
    }

    /// Makes these its artifacts; their blobs must be there. Blobs that only the former ones used go.
    pub(crate) fn set_artifacts(&mut self, mut artifacts: Vec<Artifact>) -> Result<(), BundleError> {
        artifacts.sort();
        let former = std::mem::replace(&mut self.artifacts, artifacts);
        self.save()?;
        self.drop_blobs(&former)
    }

    /// Writes `signature` beside the manifest.
    pub(crate) fn store_signature(&self, signature: &str) -> Result<(), BundleError> {
        let root = self.place.folder()?;
        replace(root, SIGNATURE, signature.as_bytes()).map_err(io_error(format!("write the signature of bundle `{}`", root.display())))
    }

    fn take(&mut self, like: &Artifact) -> Vec<Artifact> {
        let same = |artifact: &Artifact| is_same(artifact, &like.kind, &like.name, &like.version, like.architecture);
        self.artifacts.extract_if(.., |artifact| same(artifact)).collect()
    }

    fn drop_blobs(&self, removed: &[Artifact]) -> Result<(), BundleError> {
        for Artifact { digest, .. } in removed {
            if self.artifacts.iter().any(|artifact| artifact.digest == *digest) {
                continue;
            }
            match fs::remove_file(self.blob_path(digest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove an unused blob")(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), BundleError> {
        let root = self.place.folder()?.to_owned();
        let failed = || io_error(format!("write the manifest of bundle `{}`", root.display()));
        let text = manifest_text::encode(&self.artifacts).map_err(io::Error::from).map_err(failed())?;
        // A signature of the former manifest would be wrong; better none than one that looks like an attack.
        match fs::remove_file(root.join(SIGNATURE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
            _ => {}
        }
        replace(&root, MANIFEST, &text).map_err(failed())?;
        self.text = text;
        Ok(())
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

/// Puts `content` into the file `name` of `folder`, on disk and at once.
pub(crate) fn replace(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = temporary_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    Ok(())
}

pub(crate) fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".new-").permissions(std::fs::Permissions::from_mode(FILE_MODE)).tempfile_in(folder)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
