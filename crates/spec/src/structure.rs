//! Checks the tree against the JSON Schema: fields, types, ranges of numbers and words.
//!
//! The schema is derived from the types that the file is decoded into, so what editors are told and what is accepted cannot drift apart.
//! Only the keywords that the derived schema uses are known; a test of `schema` fails on any other.

use serde_json::Value;

use crate::report::{Place, Report};
use crate::scalar::{Scalar, ScalarKind};
use crate::yaml::{Content, Key, Node};

/// Reports everything in which `root` departs from `schema`.
pub(crate) fn check(root: &Node, schema: &Value, report: &mut Report) {
    Checker { root: schema, report }.value(root, schema, "");
}

struct Checker<'run> {
    root: &'run Value,
    report: &'run mut Report,
}

impl Checker<'_> {
    fn value(&mut self, node: &Node, schema: &Value, path: &str) {
        if let Content::Scalar(Scalar { kind: ScalarKind::Null, .. }) = node.content {
            let message = format!("{} has no value", name_of(path));
            self.report.error(node.place, message, "give it a value, or remove the line; fields that belong to it must be indented more");
            return;
        }
        if let Some(words) = words(schema) {
            self.word(node, &words, path);
            return;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        match &node.content {
            Content::Map(entries) if types.contains(&"object") => self.map(node, entries, schema, path),
            Content::List(items) if types.contains(&"array") => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &schema["items"], &format!("{path}[{index}]"));
                }
            }
            Content::Scalar(scalar) if types.iter().any(|name| scalar_is(scalar, name)) => {
                if let ScalarKind::Integer(number) = scalar.kind {
                    self.range(node.place, number, schema, path);
                }
            }
            _ => {
                let wanted: Vec<&str> = types.iter().map(|name| type_words(name)).collect();
                let message = format!("{} must be {}, not {}", name_of(path), wanted.join(" or "), describe(node));
                self.report.error(node.place, message, type_hint(node, &types));
            }
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], path: &str) {
        let text = match &node.content {
            Content::Scalar(scalar) if words.contains(&scalar.text.as_str()) => return,
            Content::Scalar(scalar) => scalar.text.as_str(),
            _ => "",
        };
        let choice = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let message = match &node.content {
            Content::Scalar(_) => format!("{} cannot be `{text}`", name_of(path)),
            _ => format!("{} must be a word, not {}", name_of(path), describe(node)),
        };
        let hint = match nearest(text, words.iter().copied()) {
            Some(word) => format!("did you mean `{word}`? possible: {choice}"),
            None => format!("possible: {choice}"),
        };
        self.report.error(node.place, message, hint);
    }

    fn range(&mut self, place: Place, number: i64, schema: &Value, path: &str) {
        let limit = |keyword: &str| schema[keyword].as_i64();
        let first = limit("minimum").unwrap_or(i64::MIN);
        let last = limit("maximum").unwrap_or(if schema["format"] == "uint32" { i64::from(u32::MAX) } else { i64::MAX });
        if number < first || number > last {
            let message = format!("{} is {number}, outside {first} to {last}", name_of(path));
            self.report.error(place, message, format!("give a whole number from {first} to {last}"));
        }
    }

    fn map(&mut self, node: &Node, entries: &[(Key, Node)], schema: &Value, path: &str) {
        let fields = schema["properties"].as_object();
        for (key, value) in entries {
            let below = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
            match (fields.and_then(|fields| fields.get(&key.text)), &schema["additionalProperties"]) {
                (Some(field), _) => self.value(value, field, &below),
                (None, Value::Object(_)) => self.value(value, &schema["additionalProperties"], &below),
                // What an add-on accepts is in its own schema.
                (None, Value::Bool(true)) => {}
                (None, _) => self.unknown(key, schema, path),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if node.get(name).is_none() {
                let message = format!("field `{name}` is missing in {}", name_of(path));
                let meaning = schema["properties"][name]["description"].as_str().unwrap_or_default();
                let sentence = meaning.split(". ").next().unwrap_or_default().trim_end_matches('.');
                self.report.error(node.place, message, format!("add `{name}:` ({sentence})"));
            }
        }
    }

    fn unknown(&mut self, key: &Key, schema: &Value, path: &str) {
        let names: Vec<&str> = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let mut homes = Vec::new();
        homes_of(&key.text, self.root, "", &mut homes);
        let fields = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = if is_secret(&key.text) {
            self.report.hide(key.place);
            if names.contains(&"passwordFile") {
                self.report.error(
                    key.place,
                    format!("unknown field `{}` in {}", key.text, name_of(path)),
                    "write the path of a file that holds it: `passwordFile: PATH`; never the password itself",
                );
                return;
            }
            "barque reads no secrets from the cluster file: passwords and passphrases are asked for when they are needed".to_owned()
        } else if key.text == "<<" {
            "merge keys are not part of YAML 1.2; put settings that all hosts share into `spec.ssh`, or write them out".to_owned()
        } else if let Some(name) = nearest(&key.text, names.iter().copied()) {
            format!("did you mean `{name}`? fields here: {fields}")
        } else if homes.is_empty() {
            format!("fields here: {fields}")
        } else {
            format!("`{}` belongs in {}", key.text, homes.join(" or "))
        };
        self.report.error(key.place, format!("unknown field `{}` in {}", key.text, name_of(path)), hint);
    }
}

/// The words that a schema of an enumeration allows.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    let choices = schema["oneOf"].as_array()?;
    Some(choices.iter().filter_map(words).flatten().collect())
}

/// Sections that have a field called `name`.
fn homes_of(name: &str, schema: &Value, path: &str, homes: &mut Vec<String>) {
    for (field, below) in schema["properties"].as_object().into_iter().flatten() {
        if field == name {
            homes.push(name_of(path));
        }
        let inner = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
        homes_of(name, below, &inner, homes);
        homes_of(name, &below["items"], &format!("{inner}[]"), homes);
    }
}

fn scalar_is(scalar: &Scalar, type_name: &str) -> bool {
    match scalar.kind {
        ScalarKind::Null => false,
        ScalarKind::Boolean(_) => type_name == "boolean",
        ScalarKind::Integer(_) => matches!(type_name, "integer" | "number"),
        ScalarKind::Number => type_name == "number",
        ScalarKind::Text => type_name == "string",
    }
}

fn type_words(type_name: &str) -> &'static str {
    match type_name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        _ => "a mapping of fields",
    }
}

fn describe(node: &Node) -> String {
    match &node.content {
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a mapping".to_owned(),
        Content::Scalar(scalar) => match scalar.kind {
            ScalarKind::Integer(_) | ScalarKind::Number => format!("the number {}", scalar.text),
            ScalarKind::Boolean(value) => format!("`{value}`"),
            ScalarKind::Null | ScalarKind::Text => format!("the text `{}`", scalar.text),
        },
    }
}

fn type_hint(node: &Node, types: &[&str]) -> String {
    match &node.content {
        Content::Scalar(scalar) if types.contains(&"string") => format!("put it in quotes: \"{}\"", scalar.text),
        Content::Scalar(scalar) if types.contains(&"boolean") => match scalar.text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "1" => "write `true` (YAML 1.2 has no `yes` or `on`)".to_owned(),
            "no" | "off" | "n" | "0" => "write `false` (YAML 1.2 has no `no` or `off`)".to_owned(),
            _ => "write `true` or `false` without quotes".to_owned(),
        },
        Content::Scalar(scalar) if types.contains(&"array") => format!("write a list: [{}]", scalar.text),
        Content::Scalar(Scalar { kind: ScalarKind::Text, .. }) if types.contains(&"integer") => {
            "write digits only, without quotes or a unit".to_owned()
        }
        Content::List(_) if types.contains(&"object") => "remove the `-` before the fields".to_owned(),
        Content::Map(_) if types.contains(&"array") => "put `- ` before each entry".to_owned(),
        _ => "see docs/cluster-file.md".to_owned(),
    }
}

/// Whether the value of an unknown field `name` may be one that must not be shown.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["passw", "passphrase", "secret", "token", "privatekey", "private_key", "keydata"].iter().any(|word| name.contains(word))
}

/// The path for people; the root has none.
fn name_of(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}

/// The candidate that `text` is probably a misspelling of.
pub(crate) fn nearest<'name>(text: &str, candidates: impl Iterator<Item = &'name str>) -> Option<&'name str> {
    let lower = text.to_lowercase();
    candidates
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2.min(name.len() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
