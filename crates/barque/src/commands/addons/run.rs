//! Dispatches what is done with add-ons.

use anyhow::Result;

use super::{change, look};
use crate::arguments::AddonsCommand;

/// Runs one of the verbs.
pub(crate) fn run(command: &AddonsCommand) -> Result<u8> {
    match command {
        AddonsCommand::List(arguments) => look::list(arguments),
        AddonsCommand::Show(arguments) => look::show(arguments),
        AddonsCommand::Enable(arguments) => change::run(&arguments.addon, true, &arguments.set),
        AddonsCommand::Disable(arguments) => change::run(arguments, false, &[]),
        AddonsCommand::Status(arguments) => look::status(arguments),
        AddonsCommand::Diff(arguments) => look::diff(arguments),
    }
}
