//! Replaces files so that a reader sees the old or the new content, and a crash leaves one of them.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::context::HostContext;
use crate::error::HostError;

/// Permission bits and numeric owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Removes a temporary file when its writer fails.
pub(crate) struct Temporary(Option<PathBuf>);

impl Temporary {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// Renames it to `target`, after which nothing is left to remove.
    pub(crate) fn persist(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.0 {
            fs::rename(path, target)?;
        }
        self.0 = None;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _may_not_exist = fs::remove_file(path);
        }
    }
}

/// Writes `content` to a new file beside `path`, with its final owner and mode before the first byte, and renames it.
pub(crate) fn replace_file(context: &HostContext, path: &Path, content: &[u8], attributes: Attributes) -> Result<(), HostError> {
    make_parents(path)?;
    let temporary = Temporary::new(context.temporary_name(path));
    write_new(temporary.path(), content, attributes)?;
    temporary.persist(path)?;
    sync_parent(path)
}

/// Creates a file that must not exist, durably.
pub(crate) fn write_new(path: &Path, content: &[u8], attributes: Attributes) -> Result<(), HostError> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(attributes.mode & 0o700).open(path)?;
    // The umask can only have taken bits away. The owner comes first: changing it clears set-user-ID bits.
    std::os::unix::fs::fchown(&file, Some(attributes.uid), Some(attributes.gid))
        .map_err(|error| HostError::io("change the owner of", path, error))?;
    file.set_permissions(std::fs::Permissions::from_mode(attributes.mode))?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(())
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), HostError> {
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Makes the folders that lead to `path`, mode 0755.
pub(crate) fn make_parents(path: &Path) -> Result<(), HostError> {
    path.parent().map_or(Ok(()), |parent| make_directory(parent, 0o755))
}

/// Makes `path` with `mode` and the folders that lead to it with mode 0755. One that exists keeps its mode.
pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), HostError> {
    if path.is_dir() {
        return Ok(());
    }
    make_parents(path)?;
    match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), mode).create(path) {
        // The umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(HostError::io("make the directory", path, error)),
    }
    Ok(())
}

/// Writes a small record of barque's own, mode 0600, durably.
pub(crate) fn write_record<T: serde::Serialize>(context: &HostContext, path: &Path, record: &T) -> Result<(), HostError> {
    let text = serde_json::to_vec(record).map_err(io::Error::from)?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    replace_file(context, path, &text, Attributes { mode: 0o600, uid, gid })
}

/// Reads a record; `None` when there is none, or none that this version understands.
pub(crate) fn read_record<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a small record whose loss in a crash costs some work only.
pub(crate) fn write_record_unsynced<T: serde::Serialize>(context: &HostContext, path: &Path, record: &T) -> Result<(), HostError> {
    make_parents(path)?;
    let temporary = Temporary::new(context.temporary_name(path));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary.path())?;
    file.write_all(&serde_json::to_vec(record).map_err(io::Error::from)?)?;
    temporary.persist(path)?;
    Ok(())
}
