//! The `barque` program: arguments, words and exit codes. The only crate that prints.

mod arguments;
mod commands;
mod logging;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
// musl's allocator is slow under threads.
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    logging::start();
    commands::run(arguments)
}
