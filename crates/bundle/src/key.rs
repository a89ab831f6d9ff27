//! Keys that sign bundles, in the files of minisign.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::SignatureError;

/// Names a pair of keys: 16 hexadecimal digits, as in minisign's public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct KeyId(u64);

/// Checks signatures.
#[derive(Debug, Clone)]
pub struct PublicKey(minisign::PublicKey);

/// Makes signatures. Has no `Debug`: nothing of it may be printed.
pub struct SecretKey(minisign::SecretKey);

impl KeyId {
    pub(crate) fn of(number: &[u8]) -> Self {
        Self(number.try_into().map_or(0, u64::from_le_bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016X}", self.0)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl PublicKey {
    /// Reads a public key's file, with minisign's comment or without.
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let text = read(path)?;
        let key = minisign::PublicKeyBox::from(text.clone()).into_public_key();
        let key = key.or_else(|_| minisign::PublicKey::from_base64(text.trim()));
        key.map(Self).map_err(|_| SignatureError::NotAKey { path: path.to_owned(), kind: "public key" })
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.keynum())
    }

    /// The one line that stands for it.
    pub fn text(&self) -> String {
        self.0.to_base64()
    }

    pub(crate) fn inner(&self) -> &minisign::PublicKey {
        &self.0
    }
}

impl SecretKey {
    /// Reads a secret key's file.
    ///
    /// Fails with [`SignatureError::Encrypted`] where `passphrase` is missing and with [`SignatureError::WrongPassphrase`].
    pub fn read(path: &Path, passphrase: Option<&SecretString>) -> Result<Self, SignatureError> {
        let text = read(path)?;
        let path = path.to_owned();
        let is_encrypted = is_encrypted(&text);
        let key = minisign::SecretKeyBox::from(text);
        if !is_encrypted {
            let key = key.into_unencrypted_secret_key();
            return key.map(Self).map_err(|_| SignatureError::NotAKey { path, kind: "secret key" });
        }
        // Without a passphrase minisign would ask for it.
        let Some(passphrase) = passphrase else { return Err(SignatureError::Encrypted { path }) };
        let key = key.into_secret_key(Some(passphrase.expose_secret().to_owned()));
        key.map(Self).map_err(|_| SignatureError::WrongPassphrase { path })
    }

    pub(crate) fn inner(&self) -> &minisign::SecretKey {
        &self.0
    }
}

/// Whether the key has been encrypted with scrypt: its third and fourth byte say so.
fn is_encrypted(text: &str) -> bool {
    let bytes = text.lines().nth(1).and_then(|line| base64::engine::general_purpose::STANDARD.decode(line.trim()).ok());
    bytes.is_some_and(|bytes| bytes.get(2..4) == Some(b"Sc"))
}

/// Makes a pair of keys: the secret one in the new file `path`, which only its owner can read, the public one in `path` and `.pub`.
/// An existing file is never overwritten.
pub fn make_keys(path: &Path, passphrase: Option<&SecretString>) -> Result<(PublicKey, PathBuf), SignatureError> {
    let failed = |source| SignatureError::Failed { source };
    let pair = match passphrase {
        None => minisign::KeyPair::generate_unencrypted_keypair(),
        Some(passphrase) => minisign::KeyPair::generate_encrypted_keypair(Some(passphrase.expose_secret().to_owned())),
    };
    let pair = pair.map_err(failed)?;
    let public = PublicKey(pair.pk);
    let secret_text = SecretString::from(pair.sk.to_box(Some("secret key of barque bundles")).map_err(failed)?.into_string());
    let public_text = format!("untrusted comment: public key {} of barque bundles\n{}\n", public.id(), public.text());
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    write_new(&public_path, 0o644, public_text.as_bytes())?;
    if let Err(error) = write_new(path, 0o600, secret_text.expose_secret().as_bytes()) {
        // Half a pair is of no use; the first error says more than a second one.
        let _ = fs::remove_file(&public_path);
        return Err(error);
    }
    Ok((public, public_path))
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), SignatureError> {
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| SignatureError::KeyFile { action: format!("make the key `{}`", path.display()), source })
}

fn read(path: &Path) -> Result<String, SignatureError> {
    fs::read_to_string(path).map_err(|source| SignatureError::KeyFile { action: format!("read the key `{}`", path.display()), source })
}
