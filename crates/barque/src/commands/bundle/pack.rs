//! `barque bundle pack`: one file of a bundle.

use anyhow::Result;
use barque_bundle::{SecretKey, size};
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::choice;
use crate::arguments::{BundlePackArguments, Output};
use crate::settings;
use crate::terminal::{ByteProgress, bundle as words, many, note, print_json, say};

/// Packs, verifying every blob on the way.
pub(crate) fn run(arguments: &BundlePackArguments) -> Result<u8> {
    let bundle = choice::open(&arguments.bundle)?;
    let signature = match &arguments.sign {
        Some(key) => {
            let passphrase = settings::passphrase(arguments.passphrase_file.as_ref())?;
            let key = SecretKey::read(key, passphrase.as_ref()).map_err(EngineError::from)?;
            Some(bundle.sign(&key).map_err(EngineError::from)?)
        }
        None => bundle.signature().map_err(EngineError::from)?,
    };
    let surplus = bundle.surplus().map_err(EngineError::from)?;
    if !surplus.is_empty() {
        note(&format!("left out: {} that the manifest does not know (`barque bundle verify` names them)", many(surplus.len(), "file")))?;
    }
    let progress = ByteProgress::new("packed", size(bundle.artifacts()));
    let packed = bundle.pack(&arguments.file, signature.as_deref(), &|bytes| progress.add(bytes)).map_err(EngineError::from)?;
    progress.finish();
    match arguments.output {
        Output::Text => say(&words::packed(&packed, bundle.artifacts().len(), signature.is_some()))?,
        Output::Json => print_json(&json!({ "file": packed, "bundleDigest": bundle.digest(), "signed": signature.is_some() }))?,
    }
    Ok(exit::DONE)
}
