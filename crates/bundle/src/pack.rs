//! Makes one file of a bundle. Same bundle, same bytes.

use std::fs::TryLockError;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use barque_model::Digest;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::Serialize;

use crate::archive::{self, Archive};
use crate::compress::{HashingWriter, PIECE};
use crate::place::{MANIFEST, SIGNATURE, blob_name};
use crate::store::io_error;
use crate::verify::Counted;
use crate::{Bundle, BundleError};

/// A bundle in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Packed {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, as `sha256sum` prints it.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Bundle {
    /// Writes the manifest, `signature` if there is one, and every blob that the manifest knows into the file `target`, which appears at once
    /// and whole or not at all. `progress` is told the number of bytes since it was last told.
    ///
    /// Every blob is verified on the way; fails as [`Bundle::verify_compressed`] does, and with [`BundleError::Exists`],
    /// [`BundleError::Busy`] or [`BundleError::NoSpace`].
    pub fn pack(&self, target: &Path, signature: Option<&str>, progress: &dyn Fn(u64)) -> Result<Packed, BundleError> {
        let failed = || io_error(format!("write bundle `{}`", target.display()));
        if fs::exists(target).map_err(failed())? && !Archive::is_one(target).map_err(failed())? {
            return Err(BundleError::Exists { path: target.to_owned() });
        }
        let blobs = self.blobs();
        let texts = [(MANIFEST, Some(self.text())), (SIGNATURE, signature.map(str::as_bytes))];
        let sizes = texts.iter().filter_map(|(_, text)| text.map(|text| text.len() as u64));
        let needed = archive::length(sizes.chain(blobs.iter().map(|artifact| artifact.compressed_size)));
        let partial = Partial::create(target)?;
        let space = rustix::fs::fstatvfs(partial.file.file()).map_err(io::Error::from).map_err(failed())?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if needed > free {
            return Err(BundleError::NoSpace { path: target.to_owned(), needed, free });
        }

        let mut writer = HashingWriter::new(io::BufWriter::with_capacity(PIECE, &partial.file));
        for (name, text) in texts {
            let Some(mut text) = text else { continue };
            archive::write_entry(&mut writer, name, text.len() as u64, &mut text).map_err(failed())?;
        }
        for artifact in blobs {
            let blob = self.open_blob(&artifact.digest)?;
            let mut content = Counted::new(blob.into_reader(), progress);
            let written = archive::write_entry(&mut writer, &blob_name(&artifact.digest), artifact.compressed_size, &mut content);
            // A wrong digest says more than a wrong size.
            content.check(artifact, self.blob_path(&artifact.digest))?;
            written.map_err(failed())?;
        }
        archive::write_end(&mut writer).map_err(failed())?;
        writer.flush().map_err(failed())?;
        let (_, digest, size) = writer.finish();
        partial.finish(target).map_err(failed())?;
        Ok(Packed { path: target.to_owned(), digest, size })
    }
}

/// The file while it grows: `.NAME.partial` beside its target, one for each target, so that what a killed barque leaves behind is used
/// again by the next.
struct Partial {
    path: PathBuf,
    file: fs::File,
    finished: bool,
}

impl Partial {
    fn create(target: &Path) -> Result<Self, BundleError> {
        let failed = || io_error(format!("write bundle `{}`", target.display()));
        let Some(name) = target.file_name() else {
            return Err(failed()(io::Error::other("the path names no file")));
        };
        let path = target.with_file_name(format!(".{}.partial", name.display()));
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path).map_err(failed())?;
        let busy = || BundleError::Busy { path: target.to_owned() };
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(source)) => return Err(failed()(source)),
        }
        // Between opening and locking another may have finished, and this would be its outcome.
        let (locked, named) = (file.metadata().map_err(failed())?.ino(), fs::symlink_metadata(&path).map(|named| named.ino()));
        if named.ok() != Some(locked) {
            return Err(busy());
        }
        file.set_len(0).map_err(failed())?;
        Ok(Self { path, file, finished: false })
    }

    fn finish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.finished = true;
        let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // It is only a leftover; the next try uses it again.
            let _ = fs::remove_file(&self.path);
        }
    }
}
