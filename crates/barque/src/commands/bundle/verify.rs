//! `barque bundle verify`: is every file of a bundle what its manifest says?

use std::time::Instant;

use anyhow::Result;
use barque_bundle::{Bundle, PublicKey, SignatureError, Verification, size};
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::choice;
use super::registry::local;
use crate::arguments::{BundleVerifyArguments, Output};
use crate::terminal::bundle::{self as words, SignatureWords};
use crate::terminal::{ByteProgress, note, print_json, say};

/// Hashes everything; exit code 1 when something is wrong.
pub(crate) fn run(arguments: &BundleVerifyArguments) -> Result<u8> {
    let key = arguments.key.as_deref().map(PublicKey::read).transpose().map_err(EngineError::from)?;
    let begun = Instant::now();
    let path = choice::path(&arguments.bundle);
    local(&path)?;
    let opened = Bundle::open(path).map_err(EngineError::from);
    let (verification, signature) = match opened.and_then(|bundle| verified(&bundle, key.as_ref())) {
        Ok(done) => done,
        Err(EngineError::Bundle(error)) => match Verification::of_error(&error) {
            Some(verification) => (verification, SignatureWords::Unknown),
            None => return Err(EngineError::Bundle(error).into()),
        },
        Err(error) => return Err(error.into()),
    };
    match arguments.bundle.output {
        Output::Text => say(&words::verification(&verification, &signature, begun.elapsed().as_secs_f64()))?,
        Output::Json => print_json(&json!({ "verification": verification, "signature": signature }))?,
    }
    Ok(if verification.faults.is_empty() && !signature.is_refused() { exit::DONE } else { exit::FAILED })
}

/// Whether `bundle` may be handed on: everything in it is what its manifest says, and its signature is not refused. If not, says why, and `consequence`.
pub(super) fn is_sound(bundle: &Bundle, key: Option<&PublicKey>, consequence: &str) -> Result<bool> {
    let begun = Instant::now();
    let (verification, signature) = verified(bundle, key)?;
    if verification.faults.is_empty() && !signature.is_refused() {
        return Ok(true);
    }
    note(&words::verification(&verification, &signature, begun.elapsed().as_secs_f64()))?;
    note(consequence)?;
    Ok(false)
}

/// Hashes everything in `bundle`, and checks its signature.
fn verified(bundle: &Bundle, key: Option<&PublicKey>) -> Result<(Verification, SignatureWords), EngineError> {
    let progress = ByteProgress::new("verified", size(bundle.artifacts()));
    let verification = bundle.verify_files(&|bytes| progress.add(bytes))?;
    progress.finish();
    let signature = match key {
        Some(key) => match bundle.check_signature(key) {
            Ok(()) => SignatureWords::Holds { key: key.id() },
            Err(SignatureError::Bundle(error)) => return Err(error.into()),
            Err(error) => SignatureWords::Refused { message: error.to_string(), hint: error.hint() },
        },
        None => match bundle.signing_key() {
            Ok(Some(key)) => SignatureWords::Unchecked { key },
            Ok(None) => SignatureWords::None,
            Err(error) => SignatureWords::Refused { message: error.to_string(), hint: error.hint() },
        },
    };
    Ok((verification, signature))
}
