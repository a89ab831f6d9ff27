//! `barque bundle show`: what is in a bundle.

use anyhow::Result;
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::choice;
use crate::arguments::{BundleArguments, Output};
use crate::terminal::{bundle as words, print_json, say};

/// Lists the artifacts. Nothing is read but the manifest.
pub(crate) fn run(arguments: &BundleArguments) -> Result<u8> {
    let bundle = choice::open(&choice::path(arguments))?;
    let key = bundle.signing_key().map_err(EngineError::from)?;
    match arguments.output {
        Output::Text => say(&words::contents(bundle.root(), bundle.artifacts(), &bundle.digest(), key))?,
        Output::Json => print_json(&json!({
            "bundle": bundle.root(),
            "digest": bundle.digest(),
            "signingKey": key,
            "artifacts": bundle.artifacts(),
            "totalCompressedSize": barque_bundle::size(bundle.artifacts()),
        }))?,
    }
    Ok(exit::DONE)
}
