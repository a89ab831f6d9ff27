//! A user's own objects, taken as they are: plain YAML or a rendered Helm chart.

use barque_model::AddonName;
use serde_json::Value;

use crate::addon::Objects;
use crate::description::Range;
use crate::object;
use crate::{Addon, AddonError, AddonImage, Check, Files, SettingsSchema, Words, images, yaml};

/// Helm runs objects with this annotation at moments of its own; they are no part of what must be there.
const HOOK: &str = "helm.sh/hook";

/// Whether a file of this name makes its folder a kustomization.
pub fn is_kustomization(name: &str) -> bool {
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

/// Makes an add-on of every object in `files`.
pub(crate) fn plain(name: &AddonName, files: &Files) -> Result<Addon, AddonError> {
    if files.keys().any(|path| is_kustomization(path)) {
        return Err(AddonError::Kustomization);
    }
    let mut objects = Vec::new();
    let is_objects =
        |path: &str| ["yaml", "yml", "json"].iter().any(|ending| path.rsplit_once('.').is_some_and(|(_, found)| found == *ending));
    for (file, text) in files.iter().filter(|(path, _)| is_objects(path)) {
        let wrong = |message: String| AddonError::Objects { file: file.clone(), message };
        for document in yaml::documents(text).map_err(wrong)? {
            for found in items(document) {
                object::check(&found).map_err(wrong)?;
                if found["metadata"]["annotations"].get(HOOK).is_none() {
                    objects.push(found);
                }
            }
        }
    }
    if objects.is_empty() {
        return Err(AddonError::Nothing);
    }
    let objects = object::finish(name, objects)?;
    let namespaces = objects.iter().find_map(|object| object["metadata"]["namespace"].as_str());
    let unnamed = |reference: String| AddonImage { name: String::new(), reference, artifact: None, version: String::new() };
    Ok(Addon {
        name: name.clone(),
        version: "own".to_owned(),
        description: Words::default(),
        namespace: namespaces.unwrap_or("default").to_owned(),
        needs: Vec::new(),
        needs_when: Vec::new(),
        rules: Vec::new(),
        images: images::of_objects(&objects).into_iter().map(unnamed).collect(),
        checks: objects.iter().filter_map(check).collect(),
        settings: SettingsSchema::none(),
        kubernetes: Range::default(),
        objects: Objects::Plain(objects),
    })
}

/// A document, or the entries of a list.
fn items(document: Value) -> Vec<Value> {
    match (document["kind"].as_str(), &document["items"]) {
        (Some("List"), Value::Array(items)) => items.clone(),
        _ => vec![document],
    }
}

/// What can be asked of an object without knowing more of it.
fn check(object: &Value) -> Option<Check> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let name = object["metadata"]["name"].as_str()?.to_owned();
    match object["kind"].as_str()? {
        "Deployment" => Some(Check::DeploymentReady { namespace, name }),
        "DaemonSet" => Some(Check::DaemonSetReady { namespace, name }),
        "StatefulSet" => Some(Check::StatefulSetReady { namespace, name }),
        "APIService" if object["spec"]["service"].is_object() => Some(Check::ApiServiceAvailable { name }),
        _ => None,
    }
}
