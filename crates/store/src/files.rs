//! Private files, replaced whole.

use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;

/// How the names of files that are being written begin. One that is left over from a crash is harmless.
pub(crate) const TEMPORARY_PREFIX: &str = ".barque-";

/// Makes `path` and its parents with mode 0700 where they do not exist.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| named(path, &error))
}

/// Makes `path` with mode 0700; it must not exist.
pub(crate) fn create_new_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(|error| named(path, &error))
}

/// Puts `content` at `path` with mode 0600: a reader sees the old content or the new one, also after a crash or on a full disk.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = written(path, content)?;
    file.persist(path).map_err(|error| named(path, &error.error))?;
    sync_directory(parent(path))
}

/// Like [`replace`], but fails with [`io::ErrorKind::AlreadyExists`] when there is a file at `path`.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = written(path, content)?;
    file.persist_noclobber(path).map_err(|error| named(path, &error.error))?;
    sync_directory(parent(path))
}

/// A complete and synced file beside `path`; it goes away unless it is put in place.
fn written(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = parent(path);
    // The mode is 0600 by `tempfile`'s default.
    let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(directory).map_err(|error| named(directory, &error))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(|error| named(path, &error))?;
    Ok(file)
}

/// Makes the names in `directory` survive a crash.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}

/// Options that make a file with mode 0600.
pub(crate) fn private_options() -> fs_err::OpenOptions {
    let mut options = fs_err::OpenOptions::new();
    options.mode(0o600);
    options
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The same error with the path in its text.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
