//! Files of the operator's machine that a cluster file names. Reading them is the caller's.

use barque_model::SecretBytes;

/// Reads files of the operator's machine.
pub trait OperatorFiles {
    /// The file at `path`, which is as the cluster file has it: relative paths start at the cluster file's folder, `~/` at the home folder.
    ///
    /// # Errors
    /// When it cannot be had.
    fn read(&self, path: &str) -> Result<OperatorFile, FileFault>;
}

/// A file of the operator's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorFile {
    /// What is in it.
    pub content: SecretBytes,
    /// Its permission bits.
    pub mode: u32,
}

/// Why a file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// There is none.
    #[error("there is no file `{path}`")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// It cannot be read.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// Where it is.
        path: String,
        /// Why.
        reason: String,
    },
    /// Files are not read here.
    #[error("`{path}` is a file, and only the text of the cluster file is looked at here")]
    NotRead {
        /// What the cluster file names.
        path: String,
    },
}

/// For whoever has a cluster file's text and nothing else: there are no files.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl OperatorFiles for NoFiles {
    fn read(&self, path: &str) -> Result<OperatorFile, FileFault> {
        Err(FileFault::NotRead { path: path.to_owned() })
    }
}
