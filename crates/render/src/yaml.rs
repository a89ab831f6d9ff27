//! Writes JSON values as block YAML that people can read, keys in alphabetical order but for `apiVersion` and `kind`, which come first.

use serde_json::{Map, Value};

use crate::header::managed;

/// A configuration file: header, then `value`.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    managed(&text)
}

/// JSON with sorted keys and two spaces of indent, whatever order the map type keeps.
pub(crate) fn json(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}

/// The same value with the keys of every object in alphabetical order.
///
/// serde_json's map keeps insertion order when some other crate of the build asks for that, and then this fixes the order all the same.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(entries(map).into_iter().map(|(key, item)| (key.clone(), sorted(item))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn entries(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| (!matches!(key.as_str(), "apiVersion" | "kind"), key.as_str()));
    entries
}

fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in entries(map) {
                pad(text, indent);
                text.push_str(&word(key));
                text.push(':');
                nested(text, item, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                pad(text, indent);
                text.push('-');
                list_item(text, item, indent);
            }
        }
        other => {
            pad(text, indent);
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

fn nested(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            block(text, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(text, value, indent + 2);
        }
        other => {
            text.push(' ');
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

/// An object in a list begins on the line of its dash.
fn list_item(text: &mut String, value: &Value, indent: usize) {
    let mut inner = String::new();
    block(&mut inner, value, indent + 2);
    text.push(' ');
    text.push_str(inner.trim_start());
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => word(string),
        other => other.to_string(),
    }
}

/// A string plain where no YAML reader can take it for something else, else in JSON's double quotes, which YAML reads too.
fn word(text: &str) -> String {
    const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let plain = text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/'));
    if starts_well && plain && !RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nests_and_quotes() {
        let value = json!({"b": [{"y": 1, "x": ["p", {"q": {}}]}, []], "a": {"yes": "no", "port": "10", "u": "unix:///x"}, "kind": "K", "apiVersion": "v1"});
        let text = document(&value);
        let body = text.split_once('\n').map_or("", |(_, body)| body);
        assert_eq!(
            body,
            "apiVersion: v1\nkind: K\na:\n  port: \"10\"\n  u: \"unix:///x\"\n  \"yes\": \"no\"\nb:\n  - x:\n      - p\n      - q: {}\n    \"y\": 1\n  - []\n"
        );
    }

    #[test]
    fn json_is_sorted_at_every_depth() {
        let text = json(&json!({"z": {"b": 1, "a": 2}, "a": [{"d": 1, "c": 2}]}));
        let position = |word: &str| text.find(word);
        assert!(position("\"a\"") < position("\"z\"") && position("\"c\"") < position("\"d\""), "{text}");
    }
}
