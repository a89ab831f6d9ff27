//! The verbs of `barque lab` alone, for work on the lab itself.

#[path = "../../barque/src/commands/lab.rs"]
mod lab;

use std::process::ExitCode;

use clap::Parser;

/// Real systemd hosts on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    lab: lab::LabArguments,
    /// Where labs are kept.
    #[arg(long, global = true, env = "BARQUE_LABS", default_value = "/var/lib/barque-lab/labs")]
    labs: std::path::PathBuf,
    /// Where root file systems are kept.
    #[arg(long, global = true, env = "BARQUE_LAB_CACHE", default_value = "/var/cache/barque-lab")]
    cache: std::path::PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let folders = lab::LabFolders { labs: arguments.labs, cache: arguments.cache };
    match lab::run(&arguments.lab, &folders) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
