//! Private key files: read once, decrypted once, asked for once, whatever the number of hosts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Error, PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::error::ConnectError;
use crate::settings::Prompt;

/// How often a passphrase is asked for one file.
const TRIES: usize = 3;

/// The private keys of this process.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: Mutex<HashMap<PathBuf, Loaded>>,
}

/// What became of a file.
#[derive(Clone)]
pub(crate) enum Loaded {
    /// It can sign.
    Key(Arc<PrivateKey>),
    /// It is encrypted, and nobody gave the passphrase.
    Locked {
        /// Its public half, if the file or its `.pub` tells.
        public: Option<PublicKey>,
        /// Why it stays locked.
        reason: &'static str,
    },
}

impl KeyRing {
    /// Reads `path`. An encrypted key that `elsewhere` can sign for (the agent) is left locked without asking.
    pub(crate) async fn load(
        &self,
        path: &Path,
        prompt: &dyn Prompt,
        elsewhere: impl Fn(&PublicKey) -> bool,
    ) -> Result<Loaded, ConnectError> {
        // Held while asking, so that ten hosts with one key cause one question.
        let mut keys = self.keys.lock().await;
        if let Some(loaded) = keys.get(path) {
            return Ok(loaded.clone());
        }
        let unreadable = |reason: String| ConnectError::KeyUnreadable { path: path.to_owned(), reason };
        let text = SecretString::from(fs_err::read_to_string(path).map_err(|error| unreadable(cause(&error)))?);
        let loaded = match decode(text.clone(), None).await {
            Ok(key) => Loaded::Key(key),
            Err(_) if is_encrypted(text.expose_secret()) => {
                let public = public_half(path, text.expose_secret());
                if public.as_ref().is_some_and(elsewhere) {
                    return Ok(Loaded::Locked { public, reason: "the agent holds it" });
                }
                unlock(path, &text, public, prompt).await
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        keys.insert(path.to_owned(), loaded.clone());
        Ok(loaded)
    }
}

/// The operating system's words without the path, which the error names already.
fn cause(error: &std::io::Error) -> String {
    error.kind().to_string()
}

async fn unlock(path: &Path, text: &SecretString, public: Option<PublicKey>, prompt: &dyn Prompt) -> Loaded {
    for _ in 0..TRIES {
        let Some(passphrase) = prompt.passphrase(path).await else {
            return Loaded::Locked { public, reason: "no passphrase was given and there is no terminal to ask" };
        };
        match decode(text.clone(), Some(passphrase)).await {
            Ok(key) => return Loaded::Key(key),
            Err(error) => tracing::debug!(key = %path.display(), %error, "passphrase is wrong"),
        }
    }
    Loaded::Locked { public, reason: "passphrase is wrong" }
}

/// Decodes on a blocking thread: bcrypt takes a noticeable time.
async fn decode(text: SecretString, passphrase: Option<SecretString>) -> Result<Arc<PrivateKey>, Error> {
    let work = move || decode_secret_key(text.expose_secret(), passphrase.as_ref().map(SecretString::expose_secret)).map(Arc::new);
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::CouldNotReadKey))
}

/// Whether a key in any of the usual formats is encrypted.
fn is_encrypted(text: &str) -> bool {
    match PrivateKey::from_openssh(text) {
        Ok(key) => key.is_encrypted(),
        Err(_) => text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED"),
    }
}

/// The public key of a locked file: OpenSSH's format carries it in the clear, others have it in `.pub`.
fn public_half(path: &Path, text: &str) -> Option<PublicKey> {
    if let Ok(key) = PrivateKey::from_openssh(text) {
        return Some(key.public_key().clone());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    PublicKey::from_openssh(fs_err::read_to_string(PathBuf::from(beside)).ok()?.trim()).ok()
}
