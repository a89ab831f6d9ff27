//! Dispatches a verb and turns its result into an exit code.

use std::process::ExitCode;

use barque_engine::EngineError;
use barque_event::exit;
use clap::CommandFactory as _;

use crate::arguments::{Arguments, Verb};
use crate::settings;
use crate::terminal::print_error;

/// Runs a verb. A closed pipe on standard output ends it quietly.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    // One crypto provider for the whole process; a second call would only say that it is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match arguments.verb {
        Verb::Init(arguments) => super::init::run(&arguments),
        Verb::Validate(arguments) => super::validate::run(&arguments),
        Verb::Hosts(arguments) => super::hosts::run(&arguments),
        Verb::Network(arguments) => super::network::run(&arguments),
        Verb::Firewall(command) => super::firewall::run(&command),
        Verb::Up(arguments) => super::up::run(&arguments),
        Verb::Plan(arguments) => super::plan::run(&arguments),
        Verb::Status(arguments) => super::status::run(&arguments),
        Verb::Check(arguments) => super::check::run(&arguments),
        Verb::Drift(arguments) => super::drift::run(&arguments),
        Verb::Runs(arguments) => super::runs::run(&arguments),
        Verb::Rollback(arguments) => super::rollback::run(&arguments),
        Verb::Explain(arguments) => super::explain::run(&arguments),
        Verb::Bundle(command) => super::bundle::run(&command),
        Verb::Addons(command) => super::addons::run(&command),
        Verb::Images(command) => super::images::run(&command),
        Verb::Kubeconfig(arguments) => super::kubeconfig::run(&arguments),
        #[cfg(feature = "lab")]
        Verb::Lab(arguments) => super::lab::run(&arguments, &settings::lab_folders()),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "barque", &mut std::io::stdout());
            Ok(exit::DONE)
        }
        Verb::Agent { take_back: false, read_only } => super::agent::run(read_only),
        Verb::Agent { take_back: true, .. } => super::agent::take_back(),
        Verb::MetricsGateway { config } => super::metrics_gateway::run(&config),
        Verb::Probe(command) => super::probe::run(&command),
        Verb::Reference => super::reference::run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.downcast_ref::<EngineError>().map_or(exit::FAILED, EngineError::exit_code))
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    error.chain().any(pipe)
}
