//! What an add-on's settings may be: a subset of JSON Schema, draft 2020-12.
//!
//! Known are `type`, `enum`, `minimum`, `maximum`, `pattern`, `default`, `properties`, `minProperties`, `maxProperties`, `additionalProperties`,
//! `required` and `items`, with `title`, `description` and `$schema` for people. Any other keyword makes the schema wrong, so that none is believed to hold that does not.

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::AddonError;

const KEYWORDS: [&str; 15] = [
    "$schema",
    "title",
    "description",
    "type",
    "enum",
    "minimum",
    "maximum",
    "pattern",
    "default",
    "properties",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "required",
    "items",
];

/// What the settings of an add-on may be.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsSchema(Value);

/// A step from a value into one that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A field of a mapping.
    Field(String),
    /// An entry of a list, from 0.
    Entry(usize),
}

/// A setting that is not as it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is, from the settings inwards.
    pub path: Vec<Member>,
    /// What is wrong, such as "`replicas` is 12, outside 0 to 10".
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// What kind of fault it is.
    pub kind: FaultKind,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Its value.
    Value,
    /// There is none of that name.
    Unknown,
    /// It must be given, and is not.
    Missing,
}

impl SettingsSchema {
    /// No setting at all.
    pub fn none() -> Self {
        Self(json!({"type": "object", "properties": {}, "additionalProperties": false}))
    }

    pub(crate) fn read(text: &str) -> Result<Self, AddonError> {
        let value: Value = serde_json::from_str(text).map_err(|error| AddonError::Schema(error.to_string()))?;
        check_schema(&value, "").map_err(AddonError::Schema)?;
        if value["type"] != "object" {
            return Err(AddonError::Schema("its `type` must be `object`".to_owned()));
        }
        let schema = Self(value);
        let (_, faults) = schema.resolve(&json!({}));
        match faults.iter().find(|fault| fault.kind != FaultKind::Missing) {
            Some(fault) => Err(AddonError::Schema(format!("its defaults are not right: {}", fault.message))),
            None => Ok(schema),
        }
    }

    /// The settings with every default filled in, and all that is wrong with them.
    pub fn resolve(&self, settings: &Value) -> (Value, Vec<Fault>) {
        let mut whole = settings.clone();
        fill(&self.0, &mut whole);
        let mut faults = Vec::new();
        judge(&self.0, &whole, &mut Vec::new(), &mut faults);
        (whole, faults)
    }

    /// Name, type, default and description of each setting, in the order of the schema.
    pub fn settings(&self) -> Vec<(&str, String, Option<&Value>, &str)> {
        let properties = self.0["properties"].as_object().into_iter().flatten();
        properties
            .map(|(name, schema)| {
                (name.as_str(), kind_words(schema), schema.get("default"), schema["description"].as_str().unwrap_or_default())
            })
            .collect()
    }

    /// Whether a setting is text, so that a number given for it on the command line is text too.
    pub fn is_text(&self, name: &str) -> bool {
        self.0["properties"][name]["type"] == "string"
    }
}

/// Whether every keyword is one that is checked, and well-formed.
fn check_schema(schema: &Value, path: &str) -> Result<(), String> {
    let members = schema.as_object().ok_or_else(|| format!("`{path}` is not a mapping"))?;
    for (keyword, value) in members {
        let fits = match keyword.as_str() {
            "type" => matches!(value.as_str(), Some("object" | "array" | "string" | "integer" | "number" | "boolean")),
            "enum" | "required" => value.is_array(),
            "minimum" | "maximum" => value.is_number(),
            "pattern" => value.as_str().is_some_and(|text| Regex::new(text).is_ok()),
            "properties" => value.is_object(),
            "minProperties" | "maxProperties" => value.is_u64(),
            "additionalProperties" => value.is_boolean() || value.is_object(),
            _ => KEYWORDS.contains(&keyword.as_str()),
        };
        if !fits {
            let place = if path.is_empty() { "the top level" } else { path };
            return Err(format!("keyword `{keyword}` at {place} is not understood"));
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        check_schema(field, &format!("{path}/{name}"))?;
    }
    for keyword in ["items", "additionalProperties"] {
        if schema[keyword].is_object() {
            check_schema(&schema[keyword], &format!("{path}/{keyword}"))?;
        }
    }
    Ok(())
}

fn fill(schema: &Value, value: &mut Value) {
    if let (Some(entries), Some(of_each)) = (value.as_array_mut(), schema.get("items")) {
        for entry in entries {
            fill(of_each, entry);
        }
    }
    let Some(members) = value.as_object_mut() else { return };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if !members.contains_key(name) {
            match field.get("default") {
                Some(default) => drop(members.insert(name.clone(), default.clone())),
                // A section of which every field has its default.
                None if is_filled(field) => drop(members.insert(name.clone(), Value::Object(Map::new()))),
                None => continue,
            }
        }
        if let Some(member) = members.get_mut(name) {
            fill(field, member);
        }
    }
}

/// Whether a section that is not given is there with its defaults: not when something in it must be given.
fn is_filled(field: &Value) -> bool {
    field["type"] == "object" && field["required"].as_array().is_none_or(Vec::is_empty) && field["minProperties"].as_u64().unwrap_or(0) == 0
}

fn judge(schema: &Value, value: &Value, path: &mut Vec<Member>, faults: &mut Vec<Fault>) {
    let name = shown(path);
    let mut fault = |message: String, hint: String| faults.push(Fault { path: path.clone(), message, hint, kind: FaultKind::Value });
    if let Some(wanted) = schema["type"].as_str()
        && !is_of(value, wanted)
    {
        fault(format!("{name} must be {}, not {value}", type_words(wanted)), type_hint(wanted, value));
        return;
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().map(|choice| format!("`{}`", bare(choice))).collect();
        fault(format!("{name} cannot be `{}`", bare(value)), format!("possible: {}", choices.join(", ")));
        return;
    }
    if let Some(number) = value.as_f64() {
        let (first, last) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if first.is_some_and(|first| number < first) || last.is_some_and(|last| number > last) {
            let range = match (&schema["minimum"], &schema["maximum"]) {
                (first, Value::Null) => format!("{first} or more"),
                (Value::Null, last) => format!("{last} or less"),
                (first, last) => format!("{first} to {last}"),
            };
            fault(format!("{name} is {value}, outside {range}"), format!("give a number that is {range}"));
        }
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        let meaning = schema["description"].as_str().unwrap_or_default();
        fault(format!("{name} cannot be `{text}`"), format!("it must match `{pattern}` ({})", meaning.trim_end_matches('.')));
    }
    match value {
        Value::Object(members) => judge_members(schema, members, path, faults),
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                path.push(Member::Entry(index));
                judge(&schema["items"], item, path, faults);
                path.pop();
            }
        }
        _ => {}
    }
}

fn judge_members(schema: &Value, members: &Map<String, Value>, path: &mut Vec<Member>, faults: &mut Vec<Fault>) {
    let fields = schema["properties"].as_object();
    for (name, member) in members {
        path.push(Member::Field(name.clone()));
        match (fields.and_then(|fields| fields.get(name)), &schema["additionalProperties"]) {
            (Some(field), _) => judge(field, member, path, faults),
            (None, Value::Bool(false)) => {
                let known: Vec<&str> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let near = known.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known)).filter(|(far, _)| *far <= 3).min();
                let hint = match near {
                    Some((_, near)) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has no settings".to_owned(),
                    None => format!("settings: {}", known.join(", ")),
                };
                faults.push(Fault {
                    path: path.clone(),
                    message: format!("there is no setting {}", shown(path)),
                    hint,
                    kind: FaultKind::Unknown,
                });
            }
            (None, Value::Object(_)) => judge(&schema["additionalProperties"], member, path, faults),
            (None, _) => {}
        }
        path.pop();
    }
    judge_count(schema, members, path, faults);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            let meaning = schema["properties"][name]["description"].as_str().unwrap_or_default().trim_end_matches('.');
            faults.push(Fault {
                path: path.clone(),
                message: format!("setting `{name}` is missing"),
                hint: format!("add `{name}:` ({meaning})"),
                kind: FaultKind::Missing,
            });
        }
    }
}

/// How many members there may be; of one at least and at most it is told which there are to choose from.
fn judge_count(schema: &Value, members: &Map<String, Value>, path: &[Member], faults: &mut Vec<Fault>) {
    let bound = |keyword: &str| schema[keyword].as_u64().map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let (least, most) = (bound("minProperties").unwrap_or(0), bound("maxProperties").unwrap_or(usize::MAX));
    if (least..=most).contains(&members.len()) {
        return;
    }
    let known: Vec<String> = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    let wanted = match (least, most) {
        (1, 1) => "exactly one".to_owned(),
        (_, usize::MAX) => format!("{least} or more"),
        (0, _) => format!("{most} or fewer"),
        _ => format!("{least} to {most}"),
    };
    faults.push(Fault {
        path: path.to_vec(),
        message: format!("{} has {} entries, not {wanted}", shown(path), members.len()),
        hint: format!("give {wanted} of {}", known.join(", ")),
        kind: FaultKind::Value,
    });
}

fn is_of(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => value.is_boolean(),
    }
}

fn type_words(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "`true` or `false`",
    }
}

fn type_hint(wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        ("string", Value::Number(_) | Value::Bool(_)) => format!("put it in quotes: \"{value}\""),
        ("integer" | "number", Value::String(_)) => "write digits only, without quotes or a unit".to_owned(),
        ("array", _) => "write a list: [A, B]".to_owned(),
        _ => format!("give {}", type_words(wanted)),
    }
}

/// What kind of value a setting takes, such as `integer, 0 to 10`.
fn kind_words(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(bare).collect::<Vec<_>>().join(" | ");
    }
    let kind = schema["type"].as_str().unwrap_or("any");
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => kind.to_owned(),
        (first, Value::Null) => format!("{kind}, {first} or more"),
        (Value::Null, last) => format!("{kind}, {last} or less"),
        (first, last) => format!("{kind}, {first} to {last}"),
    }
}

/// A value without the quotes of a text.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The path for people, such as `` `limits.cpu[0]` ``.
fn shown(path: &[Member]) -> String {
    let mut text = String::new();
    for member in path {
        match member {
            Member::Field(name) if text.is_empty() => text.push_str(name),
            Member::Field(name) => text = format!("{text}.{name}"),
            Member::Entry(index) => text = format!("{text}[{index}]"),
        }
    }
    if text.is_empty() { "`settings`".to_owned() } else { format!("`{text}`") }
}
