//! The sealed vault in the state directory.

use std::io;
use std::path::PathBuf;

use barque_pki::{Vault, VaultError};

use crate::sealed::{self, OpenError, SealError, SealingKey};
use crate::{StateDirectory, files};

/// Why the vault cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultFileError {
    /// A file cannot be read or written.
    #[error("failed to use the vault's files")]
    Io(#[from] io::Error),
    /// It cannot be sealed.
    #[error("failed to seal the vault")]
    Seal(#[from] SealError),
    /// It cannot be opened.
    #[error("failed to open `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// It opens, but this barque does not understand it.
    #[error("failed to read `{path}`")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VaultError,
    },
}

impl VaultFileError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open { source, .. } => source.hint(),
            _ => None,
        }
    }
}

impl StateDirectory {
    /// Where the sealed vault lies.
    pub fn vault_file(&self) -> PathBuf {
        self.path().join("pki").join("vault.age")
    }

    /// Reads the vault; `None` when there is none yet.
    pub fn load_vault(&self, key: &SealingKey) -> Result<Option<Vault>, VaultFileError> {
        let path = self.vault_file();
        let sealed = match fs_err::read(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let content = match sealed::open(&sealed, key) {
            Ok(content) => content,
            Err(source) => return Err(VaultFileError::Open { path, source }),
        };
        match Vault::from_json(&content) {
            Ok(vault) => Ok(Some(vault)),
            Err(source) => Err(VaultFileError::Content { path, source }),
        }
    }

    /// Writes the vault, sealed, and copies of what is public in it.
    pub fn save_vault(&self, vault: &Vault, key: &SealingKey) -> Result<(), VaultFileError> {
        let sealed = sealed::seal(&vault.to_json(), key)?;
        let directory = self.path().join("pki");
        files::create_directory(&directory)?;
        // The vault first: copies without it would promise what is lost.
        files::replace(&self.vault_file(), &sealed)?;
        for (name, content) in vault.public_files() {
            files::replace(&directory.join(name), content.as_bytes())?;
        }
        Ok(())
    }
}
