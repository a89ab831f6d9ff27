//! Dispatches the verbs of `barque bundle`.

use anyhow::Result;

use crate::arguments::BundleCommand;

/// Runs one of them.
pub(crate) fn run(command: &BundleCommand) -> Result<u8> {
    match command {
        #[cfg(feature = "lab")]
        BundleCommand::Create(arguments) => super::create::run(arguments),
        BundleCommand::Verify(arguments) => super::verify::run(arguments),
        BundleCommand::Show(arguments) => super::show::run(arguments),
        BundleCommand::Diff(arguments) => super::compare::run(arguments),
        BundleCommand::Pack(arguments) => super::pack::run(arguments),
        BundleCommand::Push(arguments) => super::registry::push(arguments),
        BundleCommand::Pull(arguments) => super::registry::pull(arguments),
        BundleCommand::Serve(arguments) => super::serve::run(arguments),
        BundleCommand::Key(arguments) => super::sign::make_key(arguments),
        BundleCommand::Sign(arguments) => super::sign::run(arguments),
        BundleCommand::Prune(arguments) => super::prune::run(arguments),
    }
}
