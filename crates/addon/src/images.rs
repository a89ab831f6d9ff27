//! Images that objects name, and where their pods may run.

use std::collections::BTreeMap;

use barque_model::{Host, Toleration, tolerates};
use serde::Deserialize as _;
use serde_json::Value;

/// Every image of every container in an object, at any depth, in the order in which they are found, each once.
pub(crate) fn of_objects<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for object in objects {
        pods(object, &mut |pod| {
            for image in images(pod) {
                if !found.iter().any(|known| known == image) {
                    found.push(image.to_owned());
                }
            }
        });
    }
    found
}

/// Where an image is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUse {
    /// No object names it: the settings leave it out.
    Nowhere,
    /// Pods have it; what each of them tolerates.
    Pods(Vec<Vec<Toleration>>),
    /// An object names it elsewhere than in a pod, such as in a configuration from which somebody makes pods.
    Anywhere,
}

impl ImageUse {
    /// Whether a pod with the image may come to `host`, by the host's taints.
    pub fn includes(&self, host: &Host) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Anywhere => true,
            Self::Pods(pods) => pods.iter().any(|tolerations| tolerates(tolerations, &host.all_taints())),
        }
    }
}

/// Where `objects` need each of the images `references`.
pub(crate) fn uses(objects: &[Value], references: impl IntoIterator<Item = String>) -> BTreeMap<String, ImageUse> {
    let mut of_pods: BTreeMap<String, Vec<Vec<Toleration>>> = BTreeMap::new();
    for object in objects {
        pods(object, &mut |pod| {
            for image in images(pod) {
                of_pods.entry(image.to_owned()).or_default().push(tolerations(pod));
            }
        });
    }
    let usage = |reference: String| {
        let usage = match of_pods.get(&reference) {
            Some(pods) => ImageUse::Pods(pods.clone()),
            None if objects.iter().any(|object| names(object, &reference)) => ImageUse::Anywhere,
            None => ImageUse::Nowhere,
        };
        (reference, usage)
    };
    references.into_iter().map(usage).collect()
}

/// What cannot be read keeps the pod from nowhere: an image too many is better than one that is missing.
fn tolerations(pod: &Value) -> Vec<Toleration> {
    let all = || vec![Toleration { operator: barque_model::TolerationOperator::Exists, ..Toleration::default() }];
    match &pod["tolerations"] {
        Value::Null => Vec::new(),
        value => Vec::deserialize(value).unwrap_or_else(|_| all()),
    }
}

/// Every specification of pods in `value`: what has containers.
pub(crate) fn pods<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    match value {
        Value::Object(members) => {
            if members.get("containers").is_some_and(Value::is_array) {
                visit(value);
            }
            members.values().for_each(|member| pods(member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| pods(item, visit)),
        _ => {}
    }
}

fn images(pod: &Value) -> impl Iterator<Item = &str> {
    let containers = ["initContainers", "containers"].into_iter().flat_map(|kind| pod[kind].as_array().into_iter().flatten());
    containers.filter_map(|container| container["image"].as_str())
}

fn names(value: &Value, reference: &str) -> bool {
    match value {
        Value::String(text) => text.contains(reference),
        Value::Array(items) => items.iter().any(|item| names(item, reference)),
        Value::Object(members) => members.values().any(|member| names(member, reference)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_is_needed_where_its_pods_may_run() {
        let pod = |image: &str, tolerations: Value| json!({"spec": {"template": {"spec": {"containers": [{"image": image}], "tolerations": tolerations}}}});
        let objects = [
            pod("a:1", Value::Null),
            pod("b:1", json!([{"operator": "Exists"}])),
            pod("c:1", json!([{"operator": "of tomorrow"}])),
            json!({"data": {"pod.yaml": "image: d:1"}}),
        ];
        let uses = uses(&objects, ["a:1", "b:1", "c:1", "d:1", "e:1"].map(str::to_owned));
        let everywhere = Toleration { operator: barque_model::TolerationOperator::Exists, ..Toleration::default() };
        assert_eq!(uses["a:1"], ImageUse::Pods(vec![Vec::new()]));
        assert_eq!(uses["b:1"], ImageUse::Pods(vec![vec![everywhere.clone()]]));
        assert_eq!(uses["c:1"], ImageUse::Pods(vec![vec![everywhere]]), "an image too many is better than one that is missing");
        assert_eq!((&uses["d:1"], &uses["e:1"]), (&ImageUse::Anywhere, &ImageUse::Nowhere));
    }
}
