//! `barque probe`: an observation from this host, made until it holds. For measurements and scripts; people use `barque status`.

use std::time::Duration;

use anyhow::Result;
use barque_event::exit;

use crate::arguments::ProbeCommand;
use crate::terminal::print_failure;

/// Waits until the observation holds; the exit code says whether it did in time.
pub(crate) fn run(command: &ProbeCommand) -> Result<u8> {
    let ProbeCommand::Dns { server, name, address, within } = command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(barque_agent::wait_for_dns(*server, name, *address, Duration::from_secs(*within))) {
        Ok(()) => Ok(exit::DONE),
        Err(failure) => {
            print_failure(&failure)?;
            Ok(exit::FAILED)
        }
    }
}
