//! Every field of the cluster file, one by one.

use std::fmt::Write as _;

use barque_model::Component;
use serde_json::Value;

use crate::owned::OWNED;
use crate::reference::{default_of, type_of};
use crate::schema::schema;

/// A field of the cluster file, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// Path with dots; `[]` is an entry of a list.
    pub path: String,
    /// Type for people.
    pub kind: String,
    /// Default for people; `None` when it must be given.
    pub default: Option<String>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// What it means, with the words that it may be.
    pub meaning: String,
}

/// Every field, in the order of the schema, parents before children.
pub fn fields() -> Vec<FieldDescription> {
    let mut found = Vec::new();
    walk(&schema(), "", &mut found);
    found
}

fn walk(schema: &Value, path: &str, found: &mut Vec<FieldDescription>) {
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.push(FieldDescription {
            path: below.clone(),
            kind: plain(&type_of(field)),
            default: (!is_required(name)).then(|| plain(&default_of(field))),
            unit: field["x-unit"].as_str().map(str::to_owned),
            meaning: meaning(field),
        });
        if field["properties"].is_object() {
            walk(field, &below, found);
        } else if field["items"]["properties"].is_object() {
            walk(&field["items"], &format!("{below}[]"), found);
        }
    }
}

/// The description, and the words of an enumeration each on a line of its own.
fn meaning(field: &Value) -> String {
    let mut text = field["description"].as_str().unwrap_or_default().to_owned();
    let from = if field["items"]["oneOf"].is_array() { &field["items"] } else { field };
    for choice in from["oneOf"].as_array().into_iter().flatten() {
        let (word, meaning) = (choice["const"].as_str().unwrap_or_default(), choice["description"].as_str().unwrap_or_default());
        let _ = write!(text, "\n{word}: {meaning}");
    }
    text
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace(['`', '*', '\\'], "")
}

/// Why `flag` of `component` cannot be set in `spec.extraArgs`; `None` when it can.
pub fn owned_flag(component: Component, flag: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owner, name, _)| *owner == component && *name == flag).map(|(_, _, reason)| *reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_is_listed_and_described() {
        let fields = fields();
        let field = |path: &str| fields.iter().find(|field| field.path == path).unwrap();
        assert_eq!(field("spec.kubelet.maxPods").default.as_deref(), Some("110"));
        assert_eq!(field("spec.hosts[].name").default, None);
        assert!(field("spec.hosts[].roles").meaning.contains("\nmaster: "), "{}", field("spec.hosts[].roles").meaning);
        assert!(fields.iter().all(|field| !field.meaning.is_empty() && !field.kind.contains('`')));
    }

    #[test]
    fn owned_flags_say_why() {
        assert!(owned_flag(Component::Kubelet, "max-pods").is_some());
        assert_eq!(owned_flag(Component::KubeScheduler, "kube-api-qps"), None);
    }
}
