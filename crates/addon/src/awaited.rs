//! What pods wait for, and their add-on does not bring.

use serde_json::{Value, json};

use crate::images::pods;
use crate::name_of;

/// In every namespace: Kubernetes makes it.
const ROOT_CA: &str = "kube-root-ca.crt";

/// The Secrets, ConfigMaps and claims without which pods of `objects` do not start, and which are not among `objects`, each once: `apiVersion`,
/// `kind` and `metadata` with `name` and `namespace`.
pub(crate) fn of_objects(objects: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for object in objects {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        pods(object, &mut |pod| {
            for (kind, name) in references(pod) {
                let wanted = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
                let is_known = |known: &Value| name_of(known) == name_of(&wanted);
                let is_made = kind == "ConfigMap" && name == ROOT_CA;
                if !namespace.is_empty() && !is_made && !objects.iter().any(is_known) && !found.iter().any(is_known) {
                    found.push(wanted);
                }
            }
        });
    }
    found
}

/// Kind and name of each object that a pod names and cannot do without.
fn references(pod: &Value) -> Vec<(&'static str, &str)> {
    let mut found = Vec::new();
    for volume in list(&pod["volumes"]) {
        let sources = list(&volume["projected"]["sources"]);
        for source in std::iter::once(volume).chain(sources) {
            push(&mut found, "Secret", &source["secret"], "secretName");
            push(&mut found, "Secret", &source["secret"], "name");
            push(&mut found, "ConfigMap", &source["configMap"], "name");
        }
        push(&mut found, "PersistentVolumeClaim", &volume["persistentVolumeClaim"], "claimName");
    }
    for container in list(&pod["initContainers"]).chain(list(&pod["containers"])) {
        for variable in list(&container["env"]) {
            push(&mut found, "Secret", &variable["valueFrom"]["secretKeyRef"], "name");
            push(&mut found, "ConfigMap", &variable["valueFrom"]["configMapKeyRef"], "name");
        }
        for source in list(&container["envFrom"]) {
            push(&mut found, "Secret", &source["secretRef"], "name");
            push(&mut found, "ConfigMap", &source["configMapRef"], "name");
        }
    }
    found
}

fn push<'a>(found: &mut Vec<(&'static str, &'a str)>, kind: &'static str, reference: &'a Value, field: &str) {
    if let Some(name) = reference[field].as_str()
        && reference["optional"] != true
    {
        found.push((kind, name));
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_pods_cannot_start_without_is_found_wherever_they_name_it() {
        let pod = json!({
            "volumes": [
                {"name": "a", "secret": {"secretName": "tls"}},
                {"name": "b", "secret": {"secretName": "maybe", "optional": true}},
                {"name": "c", "configMap": {"name": "own"}},
                {"name": "d", "configMap": {"name": "kube-root-ca.crt"}},
                {"name": "e", "projected": {"sources": [{"secret": {"name": "tls"}}, {"configMap": {"name": "more"}}, {"serviceAccountToken": {"path": "token"}}]}},
                {"name": "f", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "g", "emptyDir": {}},
            ],
            "initContainers": [{"env": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "key", "key": "y"}}}]}],
            "containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "late", "optional": true}}]}],
        });
        let objects = [
            json!({"kind": "Deployment", "metadata": {"name": "a", "namespace": "site"}, "spec": {"template": {"spec": pod}}}),
            json!({"kind": "ConfigMap", "metadata": {"name": "own", "namespace": "site"}}),
        ];
        let names: Vec<String> = of_objects(&objects).iter().map(name_of).collect();
        assert_eq!(
            names,
            ["Secret site/tls", "ConfigMap site/more", "PersistentVolumeClaim site/data", "Secret site/key", "ConfigMap site/settings"]
        );
    }
}
