//! Verbs that only look.

use anyhow::Result;
use barque_catalog::Language;
use barque_engine::{Context, Events};
use barque_event::exit;

use crate::arguments::{AddonsShowArguments, ClusterArguments, Output, RemoteArguments, StateArguments};
use crate::settings;
use crate::terminal::{addons as words, print_json, say};

/// The cluster file, for verbs that ask no host.
pub(super) fn context(arguments: &ClusterArguments) -> Result<Context> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    Ok(Context::load(settings::local(arguments, &state)?)?)
}

pub(super) fn list(arguments: &ClusterArguments) -> Result<u8> {
    let rows = barque_engine::addon_rows(&context(arguments)?);
    match arguments.output {
        Output::Text => say(&words::list(&rows, settings::language() == Language::Chinese))?,
        Output::Json => print_json(&rows)?,
    }
    Ok(exit::DONE)
}

pub(super) fn show(arguments: &AddonsShowArguments) -> Result<u8> {
    let detail = barque_engine::addon_detail(&context(&arguments.cluster)?, &arguments.name)?;
    match arguments.cluster.output {
        Output::Text => say(&words::detail(&detail, settings::language() == Language::Chinese))?,
        Output::Json => print_json(&detail)?,
    }
    Ok(exit::DONE)
}

pub(super) fn status(arguments: &RemoteArguments) -> Result<u8> {
    let context = Context::load(settings::remote(arguments, None, false)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let report = runtime.block_on(barque_engine::addon_health(&context, &events))?;
    match arguments.cluster.output {
        Output::Text => say(&words::health(&report))?,
        Output::Json => print_json(&report)?,
    }
    Ok(if report.healthy { exit::DONE } else { exit::FAILED })
}

pub(super) fn diff(arguments: &RemoteArguments) -> Result<u8> {
    let context = Context::load(settings::remote(arguments, None, false)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let (found, pending) = runtime.block_on(barque_engine::addon_diff(&context, &events))?;
    match arguments.cluster.output {
        Output::Text => say(&words::differences(&found))?,
        Output::Json => print_json(&found)?,
    }
    Ok(if !found.is_empty() {
        exit::PENDING
    } else if pending.is_empty() {
        exit::DONE
    } else {
        exit::PARTIAL
    })
}
