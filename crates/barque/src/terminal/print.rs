//! Standard output is data, standard error is talk.

use std::io::Write as _;

use anyhow::Result;
use barque_engine::Context;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints an answer.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints an answer as one JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    say(&serde_json::to_string_pretty(value)?)
}

/// Says something that is no answer.
pub(crate) fn note(text: &str) -> Result<()> {
    writeln!(anstream::stderr().lock(), "{text}")?;
    Ok(())
}

/// Says what is odd in the cluster file, each with its line.
pub(crate) fn warn_all(context: &Context) -> Result<()> {
    if context.warnings.items().is_empty() { Ok(()) } else { note(&context.warnings.to_string()) }
}

/// An empty table with a header, without lines.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
