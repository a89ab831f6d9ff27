//! Checks blobs against the manifest.

use std::io::{self, Read};

use barque_model::Digest;
use sha2::{Digest as _, Sha256};

use crate::store::{PIECE, io_error};
use crate::{Artifact, Bundle, BundleError};

impl Bundle {
    /// Hashes the blob of `artifact` again, compressed and uncompressed.
    ///
    /// Fails with [`BundleError::BlobMissing`], [`BundleError::Corrupted`] or [`BundleError::Undecodable`].
    pub fn verify(&self, artifact: &Artifact) -> Result<(), BundleError> {
        let path = self.blob_path(&artifact.digest);
        self.verify_compressed(artifact)?;
        let file = self.open_blob(&artifact.digest)?;
        let actual = match zstd::Decoder::new(file).and_then(|mut decoder| hash(&mut decoder)) {
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
        let mut file = self.open_blob(&artifact.digest)?;
        let actual = hash(&mut file).map_err(io_error(format!("verify blob `{}`", path.display())))?;
        if actual == artifact.compressed_digest {
            return Ok(());
        }
        let expected = artifact.compressed_digest;
        Err(BundleError::Corrupted { path, content: "compressed content", expected, actual })
    }

    /// Verifies every artifact; answers all faults, so that one run shows the whole damage. Empty means good.
    pub fn verify_all(&self) -> Vec<(Artifact, BundleError)> {
        let mut faults = Vec::new();
        for artifact in self.artifacts() {
            if let Err(error) = self.verify(artifact) {
                faults.push((artifact.clone(), error));
            }
        }
        faults
    }
}

fn hash(content: &mut impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
