//! Sections of the cluster file with comments: what is set, and what else could be, with its default. All of it follows the schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::scalar::scalar;

/// Columns of a comment that stands on lines of its own.
const COLUMNS: usize = 110;

/// Fields that are set: path below `spec`, such as `ssh.user`, to the YAML that stands for the value.
pub(super) type Given = BTreeMap<String, String>;

/// Writes the section `name` of `spec`: its meaning, then each of its fields.
pub(super) fn section(page: &mut String, name: &str, schema: &Value, given: &Given) {
    let lead = if is_given(name, given) { "  " } else { "  # " };
    let meaning = schema["description"].as_str().unwrap_or_default();
    page.push('\n');
    for line in wrapped(meaning, COLUMNS) {
        let _ = writeln!(page, "  # {line}");
    }
    if let Some(value) = given.get(name) {
        let _ = writeln!(page, "  {name}: {value}");
    } else if !schema["properties"].is_object() {
        let _ = writeln!(page, "{lead}{name}: # {}", comment(schema, None));
    } else {
        let _ = writeln!(page, "{lead}{name}:");
        fields(page, name, schema, given, lead);
    }
}

/// Writes the fields of the section at `path`, two columns further in than `lead`.
fn fields(page: &mut String, path: &str, schema: &Value, given: &Given, lead: &str) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let below = format!("{path}.{name}");
        let outside = lead.contains('#');
        let lead = if outside || is_given(&below, given) { format!("{lead}  ") } else { format!("{lead}  # ") };
        let comment = comment(field, given.get(&below));
        if let Some(value) = given.get(&below) {
            let _ = writeln!(page, "{lead}{name}: {value} # {comment}");
        } else if field["properties"].is_object() && (is_given(&below, given) || field["x-default"].is_null()) {
            let _ = writeln!(page, "{lead}{name}: # {comment}");
            fields(page, &below, field, given, &lead);
        } else {
            let value = placeholder(field);
            let space = if value.is_empty() { "" } else { " " };
            let _ = writeln!(page, "{lead}{name}:{space}{value} # {comment}");
        }
    }
}

/// Whether the field, or one below it, is set.
fn is_given(path: &str, given: &Given) -> bool {
    let below = format!("{path}.");
    given.keys().any(|other| other == path || other.starts_with(&below))
}

/// What a field that is not set would be; nothing where words say it.
fn placeholder(field: &Value) -> String {
    match &field["default"] {
        Value::String(text) => scalar(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The first sentence of the meaning, the words that are possible, the unit, and the default where the line does not show it.
fn comment(field: &Value, given: Option<&String>) -> String {
    let meaning = field["description"].as_str().unwrap_or_default();
    let mut text = meaning.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned();
    let words: Vec<&str> = field["oneOf"].as_array().into_iter().flatten().filter_map(|choice| choice["const"].as_str()).collect();
    if !words.is_empty() {
        let _ = write!(text, ": {}", words.join(" or "));
    }
    if let Some(unit) = field["x-unit"].as_str() {
        let _ = write!(text, " ({unit})");
    }
    match (field["x-default"].as_str(), &field["default"]) {
        (Some(words), _) => _ = write!(text, "; default: {words}"),
        (None, Value::Null) => {}
        (None, default) if given.is_some() && given != Some(&placeholder(field)) => {
            _ = write!(text, "; default: {}", default.as_str().map_or_else(|| default.to_string(), str::to_owned));
        }
        _ => {}
    }
    text
}

/// Words on lines of at most `columns` characters.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
