//! A part of a bundle that is to become a bundle of its own: a file or a folder. Same part, same bytes.

use std::io;
use std::path::Path;

use barque_model::Digest;
use fs_err as fs;

use crate::pack::Packed;
use crate::store::{io_error, temporary_in};
use crate::verify::Counted;
use crate::{Artifact, Bundle, BundleError, SecretKey, SignatureError};

/// Some of a bundle's artifacts. Nothing of the bundle itself is changed.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The bundle's place with another list: only read.
    part: Bundle,
}

impl Bundle {
    /// Those of its artifacts that are `wanted`.
    pub fn selection(&self, wanted: impl Fn(&Artifact) -> bool) -> Result<Selection, BundleError> {
        let part = self.with_artifacts(self.artifacts().iter().filter(|artifact| wanted(artifact)).cloned().collect())?;
        Ok(Selection { part })
    }
}

impl Selection {
    /// The artifacts, sorted as in every bundle.
    pub fn artifacts(&self) -> &[Artifact] {
        self.part.artifacts()
    }

    /// Names the bundle that it becomes; see [`Bundle::digest`].
    pub fn digest(&self) -> Digest {
        self.part.digest()
    }

    /// Signs the manifest that it gets.
    pub fn sign(&self, key: &SecretKey) -> Result<String, SignatureError> {
        self.part.sign(key)
    }

    /// Writes it into one file; see [`Bundle::pack`].
    pub fn pack(&self, target: &Path, signature: Option<&str>, progress: &dyn Fn(u64)) -> Result<Packed, BundleError> {
        self.part.pack(target, signature, progress)
    }

    /// Makes the folder `target` a bundle of exactly these artifacts. What a former try or a former bundle left there, and is right, is used again;
    /// what its former manifest knew and is not wanted goes. `progress` is told the number of bytes since it was last told.
    ///
    /// Every blob is verified on the way; fails as [`Bundle::verify_compressed`] does, and with [`BundleError::Foreign`].
    pub fn copy(&self, target: &Path, signature: Option<&str>, progress: &dyn Fn(u64)) -> Result<Bundle, BundleError> {
        refuse_foreign(target)?;
        let mut copy = Bundle::create_or_open(target)?;
        for artifact in self.part.blobs() {
            if copy.verify_compressed(artifact).is_ok() {
                progress(artifact.compressed_size);
            } else {
                self.copy_blob(artifact, &copy, progress)?;
            }
        }
        copy.set_artifacts(self.artifacts().to_vec())?;
        if let Some(signature) = signature {
            copy.store_signature(signature)?;
        }
        Ok(copy)
    }

    fn copy_blob(&self, artifact: &Artifact, copy: &Bundle, progress: &dyn Fn(u64)) -> Result<(), BundleError> {
        let target = copy.blob_path(&artifact.digest);
        let failed = || io_error(format!("write `{}`", target.display()));
        let folder = target.parent().unwrap_or(Path::new("."));
        let mut content = Counted::new(self.part.open_blob(&artifact.digest)?.into_reader(), progress);
        let mut file = temporary_in(folder).map_err(failed())?;
        io::copy(&mut content, file.as_file_mut()).map_err(failed())?;
        content.check(artifact, self.part.blob_path(&artifact.digest))?;
        file.as_file().sync_all().map_err(failed())?;
        file.persist(&target).map_err(|error| failed()(error.error))?;
        Ok(())
    }
}

/// A folder with other things in it is not made a bundle.
pub(crate) fn refuse_foreign(target: &Path) -> Result<(), BundleError> {
    let failed = || io_error(format!("look at `{}`", target.display()));
    if !fs::exists(target).map_err(failed())? || fs::exists(target.join(crate::place::MANIFEST)).map_err(failed())? {
        return Ok(());
    }
    let is_empty_folder = fs::metadata(target).map_err(failed())?.is_dir() && fs::read_dir(target).map_err(failed())?.next().is_none();
    if is_empty_folder { Ok(()) } else { Err(BundleError::Foreign { path: target.to_owned() }) }
}
