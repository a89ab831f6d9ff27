//! The state directory as a whole.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::files::{self, TEMPORARY_PREFIX};
use crate::{Lock, LockError, LockOwner, OnStaleLock, Runs};

/// The version of the directory's layout that this program writes.
pub const STATE_FORMAT: u32 = 1;

/// A state directory of a known format that nobody else may enter.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    root: PathBuf,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("failed to use the state directory")]
    Io(#[from] io::Error),
    /// It does not exist or is empty.
    #[error("there is no state in `{0}`")]
    Missing(PathBuf),
    /// It has files in it but none of barque's.
    #[error("`{0}` is not empty and not a state directory of barque")]
    Foreign(PathBuf),
    /// Made by a later barque, or damaged.
    #[error("`{path}` has the format `{found}`; this barque reads up to `barque-state {STATE_FORMAT}`")]
    Format {
        /// The directory.
        path: PathBuf,
        /// What its `format` file says.
        found: String,
    },
    /// Others may enter it.
    #[error("state directory `{path}` has mode {mode:04o}: others may enter it")]
    OpenPermissions {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl StateError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OpenPermissions { path, .. } => Some(format!("run `chmod 700 {}`", path.display())),
            Self::Missing(_) => Some("run `barque up` first, or name the right directory with `--state-dir`".to_owned()),
            Self::Foreign(_) => Some("name another directory with `--state-dir`".to_owned()),
            Self::Format { .. } => Some("use the barque that wrote it, or a later one".to_owned()),
            Self::Io(_) => None,
        }
    }
}

impl StateDirectory {
    /// Opens `root`; it must hold state.
    pub fn open(root: &Path) -> Result<Self, StateError> {
        let text = match fs_err::read_to_string(root.join("format")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_vacant(root)? => return Err(StateError::Missing(root.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StateError::Foreign(root.to_owned())),
            Err(error) => return Err(error.into()),
        };
        let format = text.trim_end().strip_prefix("barque-state ").and_then(|number| number.parse::<u32>().ok());
        if format != Some(STATE_FORMAT) {
            let found = text.lines().next().unwrap_or_default().chars().take(40).collect();
            return Err(StateError::Format { path: root.to_owned(), found });
        }
        let mode = fs_err::metadata(root)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(StateError::OpenPermissions { path: root.to_owned(), mode });
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Opens `root`, after making it if it does not exist or is empty.
    pub fn open_or_create(root: &Path) -> Result<Self, StateError> {
        match Self::open(root) {
            Err(StateError::Missing(_)) => {}
            result => return result,
        }
        files::create_directory(root)?;
        // It may have been there, empty, with another mode.
        fs_err::set_permissions(root, std::fs::Permissions::from_mode(0o700))?;
        files::replace(&root.join("format"), format!("barque-state {STATE_FORMAT}\n").as_bytes())?;
        Self::open(root)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The file of the hosts' SSH keys; whoever writes it makes it.
    pub fn known_hosts(&self) -> PathBuf {
        self.root.join("known_hosts")
    }

    /// Takes the lock: for whatever changes hosts or state. Readers need none.
    pub fn lock(&self, owner: &LockOwner, on_stale: OnStaleLock) -> Result<Lock, LockError> {
        Lock::acquire(&self.root.join("lock"), owner, on_stale)
    }

    /// Who holds the lock, as far as can be told without taking it, and whether that process may still run (of one on another machine
    /// nothing is known: it may). `None` when nobody does.
    pub fn holder(&self) -> Result<Option<(LockOwner, bool)>, StateError> {
        Ok(Lock::holder(&self.root.join("lock"))?)
    }

    /// The runs.
    pub fn runs(&self) -> Runs {
        Runs::new(self.root.join("runs"))
    }
}

/// Whether there is nothing at `root`, or an empty directory but for what a crash may have left.
fn is_vacant(root: &Path) -> io::Result<bool> {
    let entries = match fs_err::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    for entry in entries {
        if !entry?.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            return Ok(false);
        }
    }
    Ok(true)
}
