//! `barque bundle prune`: deletes what does not belong to a bundle.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Result;
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::choice;
use crate::arguments::{BundlePruneArguments, Output};
use crate::terminal::{bundle as words, note, print_json, say};

/// Shows what is surplus, asks, deletes.
pub(crate) fn run(arguments: &BundlePruneArguments) -> Result<u8> {
    let bundle = choice::open(&choice::path(&arguments.bundle))?;
    let surplus = bundle.surplus().map_err(EngineError::from)?;
    let json = arguments.bundle.output == Output::Json;
    if !json {
        say(&words::surplus(bundle.root(), &surplus))?;
    }
    let agreed = surplus.is_empty() || arguments.yes || agrees()?;
    if agreed {
        bundle.prune(&surplus).map_err(EngineError::from)?;
    }
    if json {
        print_json(&json!({ "bundle": bundle.root(), "surplus": surplus, "deleted": agreed }))?;
    }
    Ok(if agreed { exit::DONE } else { exit::REFUSED })
}

fn agrees() -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        note("nothing was deleted: there is nobody to ask; say `--yes`")?;
        return Ok(false);
    }
    note("Delete this? [y/N]")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let agreed = ["y", "yes"].iter().any(|word| answer.trim().eq_ignore_ascii_case(word));
    if !agreed {
        note("nothing was deleted")?;
    }
    Ok(agreed)
}
