//! Cluster objects: who they are, and in which order they are applied.

use barque_model::{ADDON_LABEL, AddonName};
use serde_json::{Value, json};

use crate::AddonError;

/// `Kind namespace/name` or `Kind name`.
pub fn name_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (kind, name) = (text("/kind").unwrap_or("?"), text("/metadata/name").unwrap_or("?"));
    text("/metadata/namespace").map_or_else(|| format!("{kind} {name}"), |namespace| format!("{kind} {namespace}/{name}"))
}

/// The add-on that an object belongs to, by its label.
pub fn owner_of(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][ADDON_LABEL].as_str()
}

/// What must be there before the others: namespaces, then kinds, then what pods are given, then the rest.
fn rank(object: &Value) -> u8 {
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "PriorityClass" | "StorageClass" | "IngressClass" | "ServiceAccount" => 2,
        "ClusterRole" | "Role" => 3,
        "ClusterRoleBinding" | "RoleBinding" => 4,
        "ConfigMap" | "Secret" => 5,
        // Last: an API group without a server behind it makes every list of groups wait.
        "APIService" | "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 7,
        _ => 6,
    }
}

/// Gives objects their labels, sorts their keys, and puts them in the order in which they are applied.
pub(crate) fn finish(addon: &AddonName, objects: Vec<Value>) -> Result<Vec<Value>, AddonError> {
    let mut finished: Vec<Value> = objects
        .into_iter()
        .map(|mut object| {
            object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("barque");
            object["metadata"]["labels"][ADDON_LABEL] = json!(addon.as_str());
            sorted(object)
        })
        .collect();
    finished.sort_by_key(rank);
    let mut names: Vec<String> = finished.iter().map(|object| format!("{} {}", object["apiVersion"], name_of(object))).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(AddonError::Twice(pair[0].split_once(' ').map_or("", |(_, name)| name).to_owned())),
        None => Ok(finished),
    }
}

/// Whether a document can be applied: it says what it is.
pub(crate) fn check(object: &Value) -> Result<(), String> {
    for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
        if object.pointer(pointer).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("an object has no `{}`", pointer.trim_start_matches('/').replace('/', ".")));
        }
    }
    for pointer in ["/metadata/labels", "/metadata/annotations"] {
        if object.pointer(pointer).is_some_and(|value| !value.is_object()) {
            return Err(format!("`{}` of {} is not a mapping", pointer.trim_start_matches('/').replace('/', "."), name_of(object)));
        }
    }
    Ok(())
}

/// The same value with the keys of every mapping in alphabetical order, `apiVersion` and `kind` first.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut entries: Vec<(String, Value)> = members.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| {
                let place = |key: &str| !matches!(key, "apiVersion" | "kind");
                (place(one), one).cmp(&(place(other), other))
            });
            Value::Object(entries.into_iter().map(|(key, member)| (key, sorted(member))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
