//! What the cluster holds, asked for with kubectl.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::Kubectl;

/// Objects of every kind that a client may list and delete, `kind namespace/name`, with their generation where they have one.
///
/// `label` narrows them, as `kubectl -l` does; empty for all.
///
/// # Errors
/// kubectl fails.
pub fn objects(kubectl: &Kubectl, label: &str) -> Result<BTreeMap<String, String>> {
    let kinds = kubectl.get(&["api-resources", "--verbs=list,delete", "-o", "name"])?;
    // What Kubernetes writes by itself all the time, and what add-ons serve.
    let passing = [
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "endpointslices.discovery.k8s.io",
        "endpoints",
        "pods",
        "replicasets.apps",
        "ipaddresses.networking.k8s.io",
    ];
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !passing.contains(kind) && !kind.ends_with(".metrics.k8s.io")).collect();
    let kinds = kinds.join(",");
    let mut arguments = vec!["get", &kinds, "--all-namespaces", "--ignore-not-found"];
    if !label.is_empty() {
        arguments.extend(["-l", label]);
    }
    arguments.extend(["-o", "json"]);
    let text = kubectl.get(&arguments)?;
    // Of nothing there is no list.
    let found: serde_json::Value = if text.trim().is_empty() { serde_json::Value::Null } else { serde_json::from_str(&text)? };
    let mut named = BTreeMap::new();
    for object in found["items"].as_array().into_iter().flatten() {
        let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let name = format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        named.insert(name, object["metadata"]["generation"].to_string());
    }
    Ok(named)
}
