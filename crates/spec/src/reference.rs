//! The user's reference of the cluster file, made from the schema and the tables that the checks use.

use std::fmt::Write as _;

use serde_json::Value;

use crate::owned::OWNED;
use crate::ports::USED;
use crate::schema::schema;

/// The text of `docs/cluster-file.md`: every field with default, unit and meaning, the ports in use, and the flags that cannot be set.
pub fn reference_markdown() -> String {
    let mut page = include_str!("reference_intro.md").to_owned();
    let schema = schema();
    page.push_str("\n## Fields\n\n`[]` is an entry of a list. Fields without a default are required.\n");
    section(&mut page, &schema, "", "Top level");
    page.push_str(
        "\n## Ports in use\n\n`network.nodePorts` must not contain them, and the balancers' port must not meet one on the same host.\n\n",
    );
    page.push_str("| Port | Component | Use |\n|---|---|---|\n");
    for (port, component, usage) in USED {
        let _ = writeln!(page, "| {port} | {component} | {usage} |");
    }
    page.push_str("\n## Flags that barque owns\n\nThese cannot be set in `spec.extraArgs`.\n\n| Component | Flag | Why |\n|---|---|---|\n");
    for (component, flag, reason) in OWNED {
        let _ = writeln!(page, "| {component} | `{flag}` | {reason} |");
    }
    page
}

/// A table of the fields of one mapping, then the sections below it.
fn section(page: &mut String, schema: &Value, path: &str, title: &str) {
    let fields: Vec<(&String, &Value)> = schema["properties"].as_object().into_iter().flatten().collect();
    let _ = write!(page, "\n### {title}\n\n");
    if let Some(text) = schema["description"].as_str().filter(|_| !path.is_empty()) {
        let _ = write!(page, "{text}\n\n");
    }
    page.push_str("| Field | Type | Default | Unit | Meaning |\n|---|---|---|---|---|\n");
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
    for (name, field) in &fields {
        let unit = field["x-unit"].as_str().unwrap_or_default();
        let default = if required(name) { "**required**".to_owned() } else { default_of(field) };
        let meaning = escape(field["description"].as_str().unwrap_or_default());
        let _ = writeln!(page, "| `{name}` | {} | {default} | {unit} | {meaning}{} |", escape(&type_of(field)), choices(field));
    }
    for (name, field) in fields {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if field["properties"].is_object() {
            section(page, field, &below, &format!("`{below}`"));
        } else if field["items"]["properties"].is_object() {
            section(page, &field["items"], &format!("{below}[]"), &format!("`{below}[]`"));
        }
    }
}

pub(crate) fn default_of(field: &Value) -> String {
    match (&field["x-default"], &field["default"]) {
        (Value::String(text), _) => escape(text),
        (_, Value::Null) if field["properties"].is_object() => "the fields' own".to_owned(),
        (_, Value::String(text)) if text.is_empty() => "empty".to_owned(),
        (_, Value::String(text)) => format!("`{text}`"),
        (_, value) => format!("`{value}`"),
    }
}

pub(crate) fn type_of(field: &Value) -> String {
    if field["enum"].is_array() || field["oneOf"].is_array() || field["const"].is_string() {
        return "word".to_owned();
    }
    if field["properties"].is_object() {
        return "section".to_owned();
    }
    if field["items"].is_object() {
        return format!(
            "list of {}",
            if field["items"]["properties"].is_object() { "sections".to_owned() } else { type_of(&field["items"]) }
        );
    }
    if field["additionalProperties"].is_object() {
        return format!("mapping to {}", type_of(&field["additionalProperties"]));
    }
    let name = match &field["type"] {
        Value::Array(names) if names.len() > 2 => "any scalar".to_owned(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(type_word).collect::<Vec<_>>().join(" or "),
        other => type_word(other.as_str().unwrap_or_default()).to_owned(),
    };
    match (field["minimum"].as_i64(), field["maximum"].as_i64()) {
        (Some(first), Some(last)) => format!("{name}, {first} to {last}"),
        _ => name,
    }
}

fn type_word(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "whole number",
        "boolean" => "`true` or `false`",
        "object" => "mapping",
        other => other,
    }
}

/// The words of an enumeration with their meanings.
fn choices(field: &Value) -> String {
    let from = if field["items"]["oneOf"].is_array() || field["items"]["enum"].is_array() { &field["items"] } else { field };
    let plain = from["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|word| format!(" Always `{word}`."));
    let described = from["oneOf"].as_array().into_iter().flatten().map(|choice| {
        let meaning = choice["description"].as_str().unwrap_or_default();
        format!("<br>`{}`: {}", choice["const"].as_str().unwrap_or_default(), escape(meaning))
    });
    let single = from["const"].as_str().map(|word| format!(" Always `{word}`."));
    plain.chain(described).chain(single).collect()
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
