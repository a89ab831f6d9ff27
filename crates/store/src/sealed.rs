//! Sealing with age (age-encryption.org/v1).
//!
//! A file is sealed either for an X25519 identity, which costs nothing and is the way for automation, or with a passphrase, from which scrypt
//! derives the key: about a second and 256 MiB of memory, for barque and for whoever guesses. Neither barque nor `age` can mix the two.

use std::io::{self, Read as _, Write as _};
use std::{fmt, iter};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Identity;

/// log2 of scrypt's N for new files, as the `age` tool chooses it: 256 MiB (128 · N · r bytes with r = 8).
pub const PASSPHRASE_WORK_FACTOR: u8 = 18;
/// The most that is accepted when a file is opened (4 GiB): a hostile file must not eat the machine.
const MAXIMUM_WORK_FACTOR: u8 = 22;

/// A passphrase and what deriving a key from it costs.
#[derive(Clone)]
pub struct Passphrase {
    text: SecretString,
    work_factor: u8,
}

impl Passphrase {
    /// A passphrase with [`PASSPHRASE_WORK_FACTOR`].
    pub const fn new(text: SecretString) -> Self {
        Self { text, work_factor: PASSPHRASE_WORK_FACTOR }
    }

    /// The same with another cost for what it seals: log2 of scrypt's N, brought into the range 10 to 22. Opening takes the file's own.
    #[must_use]
    pub fn with_work_factor(self, work_factor: u8) -> Self {
        Self { work_factor: work_factor.clamp(10, MAXIMUM_WORK_FACTOR), ..self }
    }
}

/// What seals and opens.
#[derive(Clone)]
pub enum SealingKey {
    /// An identity.
    Identity(Identity),
    /// A passphrase.
    Passphrase(Passphrase),
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => identity.fmt(formatter),
            Self::Passphrase(_) => formatter.write_str("Passphrase(masked)"),
        }
    }
}

/// Why sealing failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to seal")]
pub struct SealError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Why a sealed file does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was sealed for another identity.
    #[error("it is sealed for another identity")]
    WrongIdentity,
    /// It was sealed with another passphrase. A change of the header's passphrase line looks the same.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It wants a passphrase and an identity was given.
    #[error("it is sealed with a passphrase, not for an identity")]
    NeedsPassphrase,
    /// It wants an identity and a passphrase was given.
    #[error("it is sealed for an identity, not with a passphrase")]
    NeedsIdentity,
    /// It was changed or cut off after it was sealed.
    #[error("it is corrupted")]
    Corrupted,
    /// It is not in age's format, or in a later one.
    #[error("it is not an age file")]
    NotSealed,
    /// Its passphrase's cost is out of all proportion.
    #[error("its passphrase needs a work factor of {0}, more than {MAXIMUM_WORK_FACTOR}")]
    ExcessiveWork(u8),
}

impl OpenError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::WrongIdentity => Some("compare the `# public key:` line of the identity file with the one the state was made with"),
            Self::Corrupted | Self::NotSealed => {
                Some("restore the file from a copy; `age --decrypt --identity IDENTITY_FILE FILE` shows whether one is sound")
            }
            Self::WrongPassphrase | Self::NeedsPassphrase | Self::NeedsIdentity | Self::ExcessiveWork(_) => None,
        }
    }
}

/// Seals `content`.
pub fn seal(content: &[u8], key: &SealingKey) -> Result<Vec<u8>, SealError> {
    let encryptor = match key {
        SealingKey::Identity(identity) => age::Encryptor::with_recipients(iter::once(&identity.public() as &dyn age::Recipient)),
        SealingKey::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(passphrase.text.clone());
            recipient.set_work_factor(passphrase.work_factor);
            age::Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        }
    };
    let encryptor = encryptor.map_err(|error| SealError(Box::new(error)))?;
    let write = || -> io::Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(content.len() + 1024);
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(content)?;
        writer.finish()?;
        Ok(sealed)
    };
    write().map_err(|error| SealError(Box::new(error)))
}

/// Opens what [`seal`] or the `age` tool made. The content is overwritten in memory when it is dropped.
pub fn open(sealed: &[u8], key: &SealingKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| header_error(&error))?;
    let reader = match key {
        SealingKey::Identity(_) if decryptor.is_scrypt() => return Err(OpenError::NeedsPassphrase),
        SealingKey::Passphrase(_) if !decryptor.is_scrypt() => return Err(OpenError::NeedsIdentity),
        SealingKey::Identity(identity) => decryptor.decrypt(identity.all()).map_err(|error| key_error(&error, OpenError::WrongIdentity))?,
        SealingKey::Passphrase(passphrase) => {
            let mut identity = age::scrypt::Identity::new(passphrase.text.clone());
            identity.set_max_work_factor(MAXIMUM_WORK_FACTOR);
            let identities = iter::once(&identity as &dyn age::Identity);
            decryptor.decrypt(identities).map_err(|error| key_error(&error, OpenError::WrongPassphrase))?
        }
    };
    let mut reader = reader;
    // The sealed form is always longer, so the buffer never grows and leaves no copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut content).map_err(|_| OpenError::Corrupted)?;
    Ok(content)
}

/// The header cannot be read.
fn header_error(error: &age::DecryptError) -> OpenError {
    match error {
        age::DecryptError::UnknownFormat | age::DecryptError::InvalidHeader => OpenError::NotSealed,
        // Cut off within the header.
        _ => OpenError::Corrupted,
    }
}

/// The key does not fit.
fn key_error(error: &age::DecryptError, wrong_key: OpenError) -> OpenError {
    use age::DecryptError::{DecryptionFailed, ExcessiveWork, KeyDecryptionFailed, NoMatchingKeys};
    match error {
        NoMatchingKeys | KeyDecryptionFailed | DecryptionFailed => wrong_key,
        ExcessiveWork { required, .. } => OpenError::ExcessiveWork(*required),
        // The key fits, and what it protects was changed.
        _ => OpenError::Corrupted,
    }
}
