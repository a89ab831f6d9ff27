//! `barque firewall test`: whether the network lets through what the cluster needs.

use anyhow::Result;
use barque_engine::{Context, Events, FirewallTest};
use barque_event::exit;

use crate::arguments::{Output, RemoteArguments};
use crate::settings;
use crate::terminal::{print_json, reach, say, warn_all};

/// Prints what is blocked; exit code 1 when something is, 4 when hosts did not answer and the rest gets through.
pub(crate) fn run(arguments: &RemoteArguments) -> Result<u8> {
    let context = Context::load(settings::remote(arguments, None, false)?)?;
    warn_all(&context)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let test = runtime.block_on(barque_engine::firewall_test(&context, &events))?;
    match arguments.cluster.output {
        Output::Json => print_json(&test)?,
        Output::Text => say(&reach::report(&test))?,
    }
    Ok(exit_code(&test))
}

fn exit_code(test: &FirewallTest) -> u8 {
    match (test.report.blocked.is_empty(), test.pending.is_empty()) {
        (false, _) => exit::FAILED,
        (true, false) => exit::PARTIAL,
        (true, true) => exit::DONE,
    }
}
