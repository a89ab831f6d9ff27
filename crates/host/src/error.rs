//! What can go wrong while a host is observed or changed.

use std::io;
use std::path::Path;

use barque_event::Failure;

use crate::command::CommandError;
use crate::context::HostContext;
use crate::space::disk_space;

/// Why a resource could not be observed or applied.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file operation failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file system is full. What was there before is untouched.
    #[error("no space left to write `{path}`: {free} bytes are free on the file system at `{mount}`")]
    NoSpace {
        /// The file that was to be written.
        path: String,
        /// Mount point of the file system.
        mount: String,
        /// Bytes free on it.
        free: u64,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A program's output could not be read.
    #[error("unexpected output of `{command}`: {detail}")]
    Output {
        /// The command.
        command: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Something on the host must be decided by a person.
    #[error("{message}")]
    Refused {
        /// What is in the way.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A failure that already carries all of its details.
    #[error("{0}")]
    Failed(Box<Failure>),
}

impl HostError {
    /// An error of a system call, with what was tried and where.
    pub(crate) fn io(action: &str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        Self::Io(io::Error::new(source.kind(), format!("failed to {action} `{}`: {source}", path.display())))
    }

    /// Turns "no space" errors into one that names the file system.
    pub(crate) fn or_no_space(self, context: &HostContext, path: &str) -> Self {
        match &self {
            Self::Io(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                let space = disk_space(context, path);
                Self::NoSpace { path: path.to_owned(), mount: space.mount, free: space.free_bytes }
            }
            _ => self,
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let message = error.to_string();
        match error {
            HostError::Failed(failure) => *failure,
            HostError::Refused { message, hint } => Self::new(message).with_hint(hint),
            HostError::NoSpace { mount, .. } => {
                Self::new(message).with_hint(format!("free some space (`df -h {mount}` on the host), then run `barque up` again"))
            }
            HostError::Command(error) => error.into(),
            HostError::Output { command, .. } => Self { command: Some(command), ..Self::new(message) },
            HostError::Io(_) => Self::new(message),
        }
    }
}
