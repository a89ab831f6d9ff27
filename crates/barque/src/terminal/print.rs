//! Standard output is data, standard error is talk.

use std::io::Write as _;

use anyhow::Result;
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

/// Warns.
pub(crate) fn warn(text: &str) -> Result<()> {
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Yellow.into()));
    note(&format!("{style}warning{style:#}: {text}"))
}

/// An empty table with a header, without lines.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
