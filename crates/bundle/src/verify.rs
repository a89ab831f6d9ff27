//! Checks blobs against the manifest.

use std::io::{self, Read};
use std::path::PathBuf;

use barque_model::Digest;
use sha2::{Digest as _, Sha256};

use crate::compress::PIECE;
use crate::store::io_error;
use crate::{Artifact, Bundle, BundleError};

impl Bundle {
    /// Hashes the blob of `artifact` again, compressed and uncompressed.
    ///
    /// Fails with [`BundleError::BlobMissing`], [`BundleError::Corrupted`] or [`BundleError::Undecodable`].
    pub fn verify(&self, artifact: &Artifact) -> Result<(), BundleError> {
        let path = self.blob_path(&artifact.digest);
        self.verify_compressed(artifact)?;
        let blob = self.open_blob(&artifact.digest)?.into_reader();
        let actual = match zstd::Decoder::new(blob).and_then(|mut decoder| hash(&mut decoder, &|_| {})) {
            Ok(actual) => actual,
            Err(source) => return Err(BundleError::Undecodable { path, source }),
        };
        if actual != artifact.digest {
            return Err(BundleError::Corrupted { path, content: "uncompressed content", expected: artifact.digest, actual });
        }
        Ok(())
    }

    /// Hashes the blob of `artifact` as it lies on disk, which is quick enough to do before every transfer.
    ///
    /// Fails with [`BundleError::BlobMissing`] or [`BundleError::Corrupted`].
    pub fn verify_compressed(&self, artifact: &Artifact) -> Result<(), BundleError> {
        let path = self.blob_path(&artifact.digest);
        let mut blob = self.open_blob(&artifact.digest)?.into_reader();
        let actual = hash(&mut blob, &|_| {}).map_err(io_error(format!("verify blob `{}`", path.display())))?;
        if actual == artifact.compressed_digest {
            return Ok(());
        }
        let expected = artifact.compressed_digest;
        Err(BundleError::Corrupted { path, content: "compressed content", expected, actual })
    }
}

/// Hashes all of `content`; `progress` is told the number of bytes since it was last told.
pub(crate) fn hash(content: &mut impl Read, progress: &dyn Fn(u64)) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(count) => {
                hasher.update(&piece[..count]);
                progress(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Content that is hashed while it is read.
pub(crate) struct Counted<'a, R> {
    content: R,
    hasher: Sha256,
    progress: &'a dyn Fn(u64),
}

impl<'a, R: Read> Counted<'a, R> {
    pub(crate) fn new(content: R, progress: &'a dyn Fn(u64)) -> Self {
        Self { content, hasher: Sha256::new(), progress }
    }

    /// Compares what was read with what the manifest says of the blob at `path`.
    pub(crate) fn check(self, artifact: &Artifact, path: PathBuf) -> Result<(), BundleError> {
        let (expected, actual) = (artifact.compressed_digest, Digest::from_bytes(self.hasher.finalize().into()));
        if actual == expected { Ok(()) } else { Err(BundleError::Corrupted { path, content: "compressed content", expected, actual }) }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(target)?;
        self.hasher.update(&target[..count]);
        (self.progress)(count as u64);
        Ok(count)
    }
}
