//! Rows as CSV and Markdown.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::row::Row;

/// In which language purposes are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Row {
    /// What the flow is for.
    pub const fn purpose_in(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.purpose,
            Language::Chinese => self.purpose_zh,
        }
    }
}

const HEADER: [&str; 11] =
    ["segment", "flow", "from", "from addresses", "to", "to addresses", "protocol", "ports", "seen on", "purpose", "needed by"];

fn cells(row: &Row, language: Language) -> [Cow<'_, str>; 11] {
    [
        row.group.to_string().into(),
        row.flow.as_str().into(),
        row.from.as_str().into(),
        row.from_addresses.join(" ").into(),
        row.to.as_str().into(),
        row.to_addresses.join(" ").into(),
        row.protocol.as_str().into(),
        row.ports.as_str().into(),
        row.passage.as_str().into(),
        row.purpose_in(language).into(),
        row.needed_by.into(),
    ]
}

/// Comma-separated values (RFC 4180, with plain line feeds): a header, then one line per row.
pub fn csv(rows: &[Row], language: Language) -> String {
    let mut text = csv_line(HEADER.map(Cow::Borrowed));
    for row in rows {
        text.push_str(&csv_line(cells(row, language)));
    }
    text
}

fn csv_line<const CELLS: usize>(cells: [Cow<'_, str>; CELLS]) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).join(",");
    line.push('\n');
    line
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// A Markdown document with a table per group.
pub fn markdown(rows: &[Row], language: Language) -> String {
    let mut text = String::new();
    for group in rows.chunk_by(|one, two| one.group == two.group) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "## {}\n\n| Flow | From | To | Protocol | Ports | Purpose | Needed by |", group[0].group);
        text.push_str("|---|---|---|---|---|---|---|\n");
        for row in group {
            let party = |words: &str, addresses: &[String]| {
                let said = |address: &&String| words.split([',', ' ']).any(|word| word == *address);
                let more: Vec<&str> = addresses.iter().filter(|address| !said(address)).map(String::as_str).collect();
                escaped(&if more.is_empty() { words.to_owned() } else { format!("{words} ({})", more.join(", ")) })
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                row.flow,
                party(&row.from, &row.from_addresses),
                party(&row.to, &row.to_addresses),
                row.protocol,
                row.ports,
                escaped(row.purpose_in(language)),
                escaped(row.needed_by)
            );
        }
    }
    text
}

/// What would end a cell is escaped.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(csv_line(["a", "b c", "d,e", "f\"g", "h\ni", ""].map(Cow::Borrowed)), "a,b c,\"d,e\",\"f\"\"g\",\"h\ni\",\n");
        assert_eq!(escaped("a|b"), "a\\|b");
    }
}
