//! Settings of CoreDNS: its Corefile and its objects.

use barque_catalog::{EntryKind, Subject};
use barque_model::{Cluster, Release};
use serde_json::Value;

use super::{Setting, json, text};

/// What is set for CoreDNS in the whole cluster.
pub fn dns_settings(cluster: &Cluster, release: &Release) -> Vec<Setting> {
    let mut found = Vec::new();
    for object in crate::objects(cluster, release).dns {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let place = format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default());
        let mut add = |name: String, value: String| {
            found.push(Setting { subject: Subject::Coredns, kind: EntryKind::Field, name, value, place: place.clone() });
        };
        let spec = &object["spec"];
        match kind.as_str() {
            "ConfigMap" => {
                let corefile = object["data"]["Corefile"].as_str().unwrap_or_default();
                for (name, value) in text::blocks(corefile, text::Inner::Keys) {
                    add(name, value);
                }
            }
            "Deployment" => {
                members(&mut add, "Deployment", spec, &["template"]);
                members(&mut add, "Deployment.pod", &spec["template"]["spec"], &["containers"]);
                members(&mut add, "Deployment.container", &spec["template"]["spec"]["containers"][0], &[]);
            }
            "Service" | "PodDisruptionBudget" => members(&mut add, &kind, spec, &[]),
            _ => {}
        }
    }
    found
}

/// The members of a mapping, but for those that `left_out` names.
fn members(add: &mut impl FnMut(String, String), prefix: &str, value: &Value, left_out: &[&str]) {
    for (name, member) in value.as_object().into_iter().flatten().filter(|(name, _)| !left_out.contains(&name.as_str())) {
        add(format!("{prefix}.{name}"), json::words(member));
    }
}
