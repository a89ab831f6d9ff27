//! A bundle that arrives piece by piece, such as from a registry: what came stays, whatever cuts it off.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::place::{MANIFEST, Place, SIGNATURE};
use crate::store::{io_error, replace};
use crate::verify::hash;
use crate::{Artifact, Bundle, BundleError, manifest_text};

/// The manifest of what arrives, until all of it is there: a folder that has it may be gone on with.
const ARRIVING: &str = ".arriving.json";
/// How files begin that are not whole yet.
const PARTIAL: &str = ".partial-";

/// A folder that becomes a bundle. A former bundle in it stays one until [`Arrival::finish`].
#[derive(Debug)]
pub struct Arrival {
    folder: PathBuf,
    /// The new list in the place of the old one: only read.
    bundle: Bundle,
}

impl Arrival {
    /// Begins with `manifest`, the text of the manifest that is to come, or goes on with what a former try left.
    ///
    /// Fails with what is wrong with the manifest, and with [`BundleError::Foreign`] where other things lie in `folder`.
    pub fn begin(folder: &Path, manifest: &[u8]) -> Result<Self, BundleError> {
        let artifacts = manifest_text::decode(manifest, &folder.join(MANIFEST))?;
        refuse_foreign(folder)?;
        let failed = || io_error(format!("begin bundle `{}`", folder.display()));
        fs::create_dir_all(folder.join("blobs")).map_err(failed())?;
        replace(folder, ARRIVING, manifest).map_err(failed())?;
        let bundle = Bundle::of_parts(Place::Folder(folder.to_owned()), manifest.to_vec(), artifacts);
        Ok(Self { folder: folder.to_owned(), bundle })
    }

    /// One artifact for each blob that is not there or is not right; hashes those that are there.
    pub fn missing(&self) -> Vec<Artifact> {
        self.bundle.blobs().into_iter().filter(|artifact| self.bundle.verify_compressed(artifact).is_err()).cloned().collect()
    }

    /// The file that the blob of `artifact` is to be written to, and the number of bytes that are in it already.
    pub fn partial(&self, artifact: &Artifact) -> Result<(PathBuf, u64), BundleError> {
        let path = self.folder.join("blobs").join(format!("{PARTIAL}{}", artifact.compressed_digest));
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(io_error(format!("look at `{}`", path.display()))(source)),
        };
        // More than there can be is of no use.
        if size > artifact.compressed_size {
            fs::remove_file(&path).map_err(io_error(format!("remove `{}`", path.display())))?;
            return Ok((path, 0));
        }
        Ok((path, size))
    }

    /// Verifies what was written to the file of [`Arrival::partial`] and makes it the blob. What is wrong is deleted: fails with
    /// [`BundleError::Corrupted`].
    pub fn accept(&self, artifact: &Artifact) -> Result<(), BundleError> {
        let (path, _) = self.partial(artifact)?;
        let failed = || io_error(format!("keep blob `{}`", path.display()));
        let mut file = fs::File::open(&path).map_err(failed())?;
        let actual = hash(&mut file, &|_| {}).map_err(failed())?;
        let expected = artifact.compressed_digest;
        if actual != expected {
            fs::remove_file(&path).map_err(failed())?;
            return Err(BundleError::Corrupted {
                path: self.bundle.blob_path(&artifact.digest),
                content: "compressed content",
                expected,
                actual,
            });
        }
        file.sync_all().map_err(failed())?;
        fs::rename(&path, self.bundle.blob_path(&artifact.digest)).map_err(failed())
    }

    /// Makes the folder the bundle, with its signature if it has one. Every blob must be there: fails as [`Bundle::verify_compressed`] does. Blobs
    /// that only the former bundle used go.
    pub fn finish(self, signature: Option<&str>) -> Result<Bundle, BundleError> {
        for artifact in self.bundle.blobs() {
            // Each was hashed as it was found or accepted; what was cut since is hashed again, for the error.
            if self.bundle.open_blob(&artifact.digest)?.size() != artifact.compressed_size {
                self.bundle.verify_compressed(artifact)?;
            }
        }
        let failed = || io_error(format!("write the manifest of bundle `{}`", self.folder.display()));
        // The former signature is wrong for the new manifest; better none than one that looks like an attack.
        remove(&self.folder.join(SIGNATURE)).map_err(failed())?;
        replace(&self.folder, MANIFEST, self.bundle.text()).map_err(failed())?;
        if let Some(signature) = signature {
            self.bundle.store_signature(signature)?;
        }
        remove(&self.folder.join(ARRIVING)).map_err(failed())?;
        let bundle = Bundle::open(&self.folder)?;
        let left: Vec<_> = bundle.surplus()?.into_iter().filter(|surplus| surplus.is_file && surplus.path.starts_with("blobs/")).collect();
        bundle.prune(&left)?;
        Ok(bundle)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A folder with other things in it is not made a bundle.
fn refuse_foreign(folder: &Path) -> Result<(), BundleError> {
    let failed = || io_error(format!("look at `{}`", folder.display()));
    for known in [MANIFEST, ARRIVING] {
        if fs::exists(folder.join(known)).map_err(failed())? {
            return Ok(());
        }
    }
    crate::selection::refuse_foreign(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::bundle;

    fn take(from: &Bundle, arrival: &Arrival, artifact: &Artifact) {
        let (path, _) = arrival.partial(artifact).unwrap();
        io::copy(&mut from.open_blob(&artifact.digest).unwrap().into_reader(), &mut fs::File::create(path).unwrap()).unwrap();
        arrival.accept(artifact).unwrap();
    }

    #[test]
    fn what_came_stays_and_the_former_bundle_holds_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (_one, first) = bundle(&[("etcd", "3.6.14", b"the program etcd"), ("runc", "1.5.2", b"runc")]);
        let (_two, second) = bundle(&[("runc", "1.5.2", b"runc"), ("kubelet", "1.37.2", b"kubelet")]);
        let target = folder.path().join("target");
        let arrival = Arrival::begin(&target, first.text()).unwrap();
        assert_eq!(arrival.missing().len(), 2);
        take(&first, &arrival, &arrival.missing()[0]);
        assert!(Bundle::open(&target).is_err());

        let arrival = Arrival::begin(&target, first.text()).unwrap();
        let rest = arrival.missing();
        assert_eq!(rest.len(), 1);
        let (path, size) = arrival.partial(&rest[0]).unwrap();
        assert_eq!(size, 0);
        fs::write(&path, b"wrong").unwrap();
        assert_eq!(arrival.partial(&rest[0]).unwrap().1, 5);
        assert!(matches!(arrival.accept(&rest[0]), Err(BundleError::Corrupted { .. })) && !path.exists());
        take(&first, &arrival, &rest[0]);
        let made = arrival.finish(None).unwrap();
        assert_eq!((made.digest(), made.surplus().unwrap()), (first.digest(), vec![]));

        let arrival = Arrival::begin(&target, second.text()).unwrap();
        assert_eq!(arrival.missing().len(), 1);
        assert_eq!(Bundle::open(&target).unwrap().digest(), first.digest());
        take(&second, &arrival, &arrival.missing()[0]);
        let made = arrival.finish(None).unwrap();
        assert_eq!((made.digest(), made.surplus().unwrap()), (second.digest(), vec![]));
    }

    #[test]
    fn other_things_are_left_alone_and_what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (_one, bundle) = bundle(&[("etcd", "3.6.14", b"the program etcd")]);
        let target = folder.path().join("home");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("letter"), "x").unwrap();
        assert!(matches!(Arrival::begin(&target, bundle.text()), Err(BundleError::Foreign { .. })));
        assert!(Arrival::begin(&folder.path().join("b"), b"{}").is_err() && !folder.path().join("b").exists());
        let arrival = Arrival::begin(&folder.path().join("c"), bundle.text()).unwrap();
        assert!(matches!(arrival.finish(None), Err(BundleError::BlobMissing { .. })));
    }
}
