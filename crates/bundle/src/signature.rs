//! Signatures of bundles, in the form of minisign: what `minisign -Vm manifest.json -p KEY.pub` checks.
//!
//! The manifest is signed, which has the digests of everything else.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use crate::key::{KeyId, PublicKey, SecretKey};
use crate::place::SIGNATURE;
use crate::{Bundle, BundleError};

/// Lines of a signature.
const LINES: usize = 4;
/// Characters of 64 bytes in base64.
const ENCODED_SIGNATURE: usize = 88;

/// Why a bundle does not count as signed, or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("bundle `{bundle}` is not signed", bundle = .bundle.display())]
    Unsigned {
        /// The bundle.
        bundle: PathBuf,
    },
    /// Another key made it.
    #[error("bundle `{bundle}` is signed with key {found}, not with key {expected}", bundle = .bundle.display())]
    OtherKey {
        /// The bundle.
        bundle: PathBuf,
        /// The key that is asked for.
        expected: KeyId,
        /// The key that the signature names.
        found: KeyId,
    },
    /// The signature is not one of this manifest.
    #[error("the signature of bundle `{bundle}` is wrong: its manifest is not the one that was signed", bundle = .bundle.display())]
    Wrong {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The signature is not in the form of minisign.
    #[error("signature `{path}` is malformed", path = .path.display())]
    Malformed {
        /// The signature.
        path: PathBuf,
    },
    /// A key file cannot be read or written.
    #[error("cannot {action}")]
    KeyFile {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is no key.
    #[error("`{path}` is no {kind} of minisign", path = .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// `public key` or `secret key`.
        kind: &'static str,
    },
    /// A secret key needs its passphrase.
    #[error("secret key `{path}` needs its passphrase", path = .path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is not that of the key.
    #[error("the passphrase does not open secret key `{path}`", path = .path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// No random numbers.
    #[error("cannot make a signature or a key")]
    Failed {
        /// Why not.
        #[source]
        source: minisign::PError,
    },
    /// The bundle itself.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl SignatureError {
    /// What to do about it: one sentence that names a command.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsigned { bundle } | Self::Wrong { bundle } => Some(format!(
                "get the bundle from whoever signs it; whoever has the secret key signs with `barque bundle sign {} --key FILE`",
                bundle.display()
            )),
            Self::OtherKey { .. } => Some("name the key of whoever made this bundle, or get a bundle of whoever has that key".to_owned()),
            Self::Malformed { .. } => {
                Some("copy the bundle again from where it came, or sign it again with `barque bundle sign`".to_owned())
            }
            Self::NotAKey { .. } => Some("make a pair of keys with `barque bundle key FILE`; `FILE.pub` is the public one".to_owned()),
            Self::Encrypted { .. } | Self::WrongPassphrase { .. } => {
                Some("name the file that has it with `--passphrase-file FILE`".to_owned())
            }
            Self::Bundle(error) => error.hint(),
            Self::KeyFile { .. } | Self::Failed { .. } => None,
        }
    }
}

impl Bundle {
    /// Signs the manifest; answers the signature's text. Two signatures of the same manifest differ: randomness is part of them.
    pub fn sign(&self, key: &SecretKey) -> Result<String, SignatureError> {
        let comment = format!("barque bundle {}", self.digest());
        let signature = minisign::sign(None, key.inner(), Cursor::new(self.text()), Some(&comment), Some("signature of manifest.json"));
        Ok(signature.map_err(|source| SignatureError::Failed { source })?.into_string())
    }

    /// Puts the signature `text` into the bundle, in place of another. A bundle of one file is written anew.
    pub fn set_signature(self, text: &str) -> Result<(), BundleError> {
        match self.place().folder() {
            Ok(_) => self.store_signature(text),
            Err(_) => self.pack(self.root(), Some(text), &|_| {}).map(drop),
        }
    }

    /// The text of the bundle's signature, unchecked.
    pub fn signature(&self) -> Result<Option<String>, SignatureError> {
        let Some(text) = self.place().read(SIGNATURE)? else { return Ok(None) };
        String::from_utf8(text).map(Some).map_err(|_| self.malformed())
    }

    /// The key that the bundle's signature names; nothing is checked.
    pub fn signing_key(&self) -> Result<Option<KeyId>, SignatureError> {
        let Some(text) = self.signature()? else { return Ok(None) };
        Ok(Some(KeyId::of(self.parse(&text)?.keynum())))
    }

    /// Checks that `key` has signed the bundle's manifest.
    pub fn check_signature(&self, key: &PublicKey) -> Result<(), SignatureError> {
        check_manifest(self.text(), self.signature()?.as_deref(), key, self.root())
    }

    fn parse(&self, text: &str) -> Result<minisign::SignatureBox, SignatureError> {
        parse(text, self.root())
    }

    fn malformed(&self) -> SignatureError {
        malformed(self.root())
    }
}

/// Checks that `key` has signed `manifest`, the text of the manifest of a bundle that is called `bundle` in errors.
pub fn check_manifest(manifest: &[u8], signature: Option<&str>, key: &PublicKey, bundle: &Path) -> Result<(), SignatureError> {
    let called = || bundle.to_owned();
    let text = signature.ok_or_else(|| SignatureError::Unsigned { bundle: called() })?;
    let signature = parse(text, bundle)?;
    let (expected, found) = (key.id(), KeyId::of(signature.keynum()));
    if expected != found {
        return Err(SignatureError::OtherKey { bundle: called(), expected, found });
    }
    minisign::verify(key.inner(), &signature, Cursor::new(manifest), true, false, false)
        .map_err(|_| SignatureError::Wrong { bundle: called() })
}

fn parse(text: &str, bundle: &Path) -> Result<minisign::SignatureBox, SignatureError> {
    // minisign indexes into the last line's bytes without looking at their number.
    let last = text.lines().nth(LINES - 1).map_or(0, |line| line.trim().len());
    if text.lines().count() != LINES || last != ENCODED_SIGNATURE {
        return Err(malformed(bundle));
    }
    let signature = minisign::SignatureBox::from_string(text).map_err(|_| malformed(bundle))?;
    // It overlooks bytes that follow a signature's own.
    if signature.to_string().trim_end() == text.trim_end() { Ok(signature) } else { Err(malformed(bundle)) }
}

fn malformed(bundle: &Path) -> SignatureError {
    SignatureError::Malformed { path: bundle.join(SIGNATURE) }
}
