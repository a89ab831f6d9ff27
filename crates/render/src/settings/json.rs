//! Fields of values.

use barque_catalog::{EntryKind, Subject, entry};
use serde_json::Value;

use super::Setting;

/// The fields of `value`, each under its path after `prefix`; the document's own type is no field.
///
/// A path that the catalog explains is taken as a whole, so a mapping with keys of the user's choice is one field.
pub(super) fn fields(subject: Subject, prefix: &str, value: &Value, place: &str) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    let mut add = |name: &str, value: String| match found.iter_mut().find(|known| known.name == name) {
        Some(known) => known.value = format!("{}, {value}", known.value),
        None => found.push(Setting { subject, kind: EntryKind::Field, name: name.to_owned(), value, place: place.to_owned() }),
    };
    let is_type = |name: &str| matches!(name.rsplit('.').next(), Some("apiVersion" | "kind"));
    walk(subject, value, prefix, &mut |name, value| {
        if !is_type(name) {
            add(name, words(value));
        }
    });
    found
}

fn walk(subject: Subject, value: &Value, path: &str, see: &mut impl FnMut(&str, &Value)) {
    let known = !path.is_empty() && entry(subject, EntryKind::Field, path).is_some();
    match value {
        Value::Object(map) if !known && !map.is_empty() => {
            for (key, item) in map {
                let deeper = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(subject, item, &deeper, see);
            }
        }
        Value::Array(items) if !known && items.iter().any(Value::is_object) => {
            for item in items {
                walk(subject, item, path, see);
            }
        }
        other => see(path, other),
    }
}

/// A value for people: texts bare, lists of them with commas, all else as JSON.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(words).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
