//! `barque bundle diff`: what two bundles differ in.

use anyhow::Result;
use barque_bundle::Comparison;
use barque_event::exit;

use super::choice;
use crate::arguments::{BundleDiffArguments, Output};
use crate::terminal::{bundle as words, print_json, say};

/// Compares two manifests; exit code 3 when they differ.
pub(crate) fn run(arguments: &BundleDiffArguments) -> Result<u8> {
    let comparison = Comparison::of(&choice::open(&arguments.before)?, &choice::open(&arguments.after)?);
    match arguments.output {
        Output::Text => say(&words::comparison(&comparison))?,
        Output::Json => print_json(&comparison)?,
    }
    Ok(if comparison.is_same() { exit::DONE } else { exit::PENDING })
}
