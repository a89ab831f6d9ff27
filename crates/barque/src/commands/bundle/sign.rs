//! `barque bundle key` and `barque bundle sign`: who vouches for a bundle.

use anyhow::Result;
use barque_bundle::{SecretKey, make_keys};
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::choice;
use crate::arguments::{BundleKeyArguments, BundleSignArguments, Output};
use crate::settings;
use crate::terminal::{note, print_json, say};

/// Makes a pair of keys. Standard output gets the public one.
pub(crate) fn make_key(arguments: &BundleKeyArguments) -> Result<u8> {
    let passphrase = settings::passphrase(arguments.passphrase_file.as_ref())?;
    let (public, path) = make_keys(&arguments.file, passphrase.as_ref()).map_err(EngineError::from)?;
    let secret = arguments.file.display();
    match arguments.output {
        Output::Text => say(&public.text())?,
        Output::Json => print_json(&json!({
            "key": public.id(), "publicKey": public.text(), "publicKeyFile": path, "secretKeyFile": arguments.file,
        }))?,
    }
    note(&format!("key {}: the secret key is in {secret}, the public key in {}", public.id(), path.display()))?;
    Ok(exit::DONE)
}

/// Signs a bundle; a signature that it has is replaced.
pub(crate) fn run(arguments: &BundleSignArguments) -> Result<u8> {
    let passphrase = settings::passphrase(arguments.passphrase_file.as_ref())?;
    let key = SecretKey::read(&arguments.key, passphrase.as_ref()).map_err(EngineError::from)?;
    let path = choice::path(&arguments.bundle);
    let bundle = choice::open(&path)?;
    let text = bundle.sign(&key).map_err(EngineError::from)?;
    let digest = bundle.digest();
    bundle.set_signature(&text).map_err(EngineError::from)?;
    let id = choice::open(&path)?.signing_key().map_err(EngineError::from)?;
    match arguments.bundle.output {
        Output::Text => {
            let key = id.map_or_else(String::new, |id| format!(" with key {id}"));
            say(&format!("bundle `{}` is signed{key}", path.display()))?;
        }
        Output::Json => print_json(&json!({ "bundle": path, "digest": digest, "key": id }))?,
    }
    Ok(exit::DONE)
}
