//! `barque reference`: all commands and their flags as Markdown.

use std::fmt::Write as _;

use anyhow::Result;
use barque_event::exit;
use clap::{Command, CommandFactory as _};

use crate::arguments::Arguments;
use crate::terminal::say;

/// Prints the reference that is checked in as `docs/cli.md`.
pub(crate) fn run() -> Result<u8> {
    let mut text = String::from("# Commands\n\nMade by `cargo xtask codegen` from the program itself.\n");
    let command = Arguments::command();
    describe(&command, "barque", &mut text)?;
    say(text.trim_end())?;
    Ok(exit::DONE)
}

fn describe(command: &Command, path: &str, text: &mut String) -> std::fmt::Result {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name());
        writeln!(text, "\n## `{path}`\n")?;
        if let Some(about) = verb.get_about() {
            writeln!(text, "{about}.\n")?;
        }
        for argument in
            verb.get_arguments().filter(|argument| !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version"))
        {
            let mut name = argument.get_long().map_or_else(|| argument.get_id().to_string().to_uppercase(), |long| format!("--{long}"));
            if let (Some(value), true) = (argument.get_value_names().and_then(|names| names.first()), argument.get_action().takes_values())
                && argument.get_long().is_some()
            {
                write!(name, " {value}")?;
            }
            write!(text, "- `{name}`")?;
            if let Some(help) = argument.get_help() {
                write!(text, ": {help}")?;
            }
            let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            if argument.get_action().takes_values() && !defaults.is_empty() {
                write!(text, " (default `{}`)", defaults.join(" "))?;
            }
            if let Some(variable) = argument.get_env() {
                write!(text, " (environment `{}`)", variable.to_string_lossy())?;
            }
            writeln!(text)?;
        }
        describe(verb, &path, text)?;
    }
    Ok(())
}
