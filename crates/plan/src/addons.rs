//! Add-ons: their objects, what must hold after them, and what no add-on wants any more.

use std::collections::BTreeSet;

use barque_event::Stage;
use barque_model::{ADDON_LABEL, AddonName};

use crate::build::{ClusterObject, PlanInputs};
use crate::gates::{apply_objects, pods_can_start};
use crate::graph::{Graph, Key};
use crate::held::held_objects;
use crate::{Action, ClusterGate, Resource};

/// Seconds that an add-on may take to serve: its pods start, some of them on one node after the other.
const TIMEOUT: u32 = 240;

/// An add-on that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonWanted {
    /// Its name.
    pub name: AddonName,
    /// Add-ons that must serve before its objects are applied.
    pub needs: Vec<AddonName>,
    /// Its objects, in the order in which they are applied.
    pub objects: Vec<ClusterObject>,
    /// References of its images that the bundle brings: on every node before a pod asks for them, or it would be looked for in a registry.
    pub images: Vec<String>,
    /// What must hold afterwards.
    pub checks: Vec<ClusterGate>,
}

/// What stands for an add-on in the graph once it serves. `dns` is barque's own stage.
fn served(name: &AddonName) -> Key {
    if name.as_str() == "dns" { Key::gate("dns") } else { Key::gate(&format!("addon {name}")) }
}

fn objects_of(name: &AddonName) -> Key {
    Key::gate(&format!("addon {name} objects"))
}

pub(crate) fn add(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    let edited = held_objects(inputs);
    for addon in inputs.addons {
        let mut after = pods_can_start(inputs);
        after.extend(addon.needs.iter().map(served));
        after.extend(images(inputs, addon));
        let title = format!("apply {}", addon.name);
        apply_objects(graph, inputs, objects_of(&addon.name), Stage::Addons, title, &addon.objects, after);
        let mut needed = vec![objects_of(&addon.name)];
        let mut gates = Vec::new();
        for (number, check) in addon.checks.iter().enumerate() {
            // Somebody runs it in another way on purpose; what counts is that it answers.
            if workload(check).is_some_and(|name| edited.contains(&name.as_str())) {
                continue;
            }
            let key = Key::gate(&format!("addon {} check {number}", addon.name));
            let title = format!("{}: {}", addon.name, words(check));
            let action = Action::ClusterGate { gate: check.clone(), timeout_seconds: TIMEOUT };
            graph.step(key.clone(), Stage::Addons, None, title, needed.clone(), action);
            // Asked one after the other: a path cannot answer before its pods are ready.
            needed = vec![key.clone()];
            gates.push(key);
        }
        gates.push(objects_of(&addon.name));
        graph.pass_through(served(&addon.name), gates);
    }
    remove(graph, inputs);
}

/// The images of an add-on, on every node.
fn images(inputs: &PlanInputs<'_>, addon: &AddonWanted) -> Vec<Key> {
    let of_host = inputs.desired.iter().flat_map(|(host, desired)| desired.resources.iter().map(move |wanted| (host, wanted)));
    let wanted =
        of_host.filter(|(_, wanted)| matches!(&wanted.resource, Resource::Image(image) if addon.images.contains(&image.reference)));
    wanted.map(|(host, wanted)| Key::resource(host, &wanted.resource.id())).collect()
}

/// What is not wanted goes when all that is wanted has been applied.
fn remove(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    if inputs.unwanted.is_empty() {
        return;
    }
    let mut after = vec![Key::gate("bootstrap"), Key::gate("api")];
    after.extend(inputs.addons.iter().map(|addon| objects_of(&addon.name)));
    let owners: BTreeSet<String> = inputs.unwanted.iter().filter_map(owner).collect();
    let owners = owners.into_iter().collect::<Vec<_>>().join(", ");
    let title = match inputs.unwanted {
        [object] => format!("remove {} of {owners}", object.name),
        objects => format!("remove {} objects of {owners}", objects.len()),
    };
    let action = Action::RemoveObjects {
        objects: inputs.unwanted.iter().map(|object| object.json.clone()).collect(),
        names: inputs.unwanted.iter().map(|object| object.name.clone()).collect(),
    };
    graph.step(Key::gate("unwanted"), Stage::Addons, None, title, after, action);
}

/// The add-on that an object belongs to.
fn owner(object: &ClusterObject) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(&object.json).ok()?;
    value["metadata"]["labels"][ADDON_LABEL].as_str().map(str::to_owned)
}

/// Name of the object whose pods a check asks for.
fn workload(check: &ClusterGate) -> Option<String> {
    match check {
        ClusterGate::DeploymentReady { namespace, name, .. } => Some(format!("Deployment {namespace}/{name}")),
        ClusterGate::DaemonSetReady { namespace, name } => Some(format!("DaemonSet {namespace}/{name}")),
        ClusterGate::StatefulSetReady { namespace, name } => Some(format!("StatefulSet {namespace}/{name}")),
        _ => None,
    }
}

fn words(check: &ClusterGate) -> String {
    match check {
        ClusterGate::DeploymentReady { .. } | ClusterGate::DaemonSetReady { .. } | ClusterGate::StatefulSetReady { .. } => {
            format!("{} is ready", workload(check).unwrap_or_default())
        }
        ClusterGate::ApiServiceAvailable { name } => format!("{name} is available"),
        ClusterGate::Answers { path, .. } => format!("{path} answers"),
        ClusterGate::NodesRegistered { nodes } => format!("{} nodes have registered", nodes.len()),
        ClusterGate::NodesReady { nodes } => format!("{} nodes are Ready", nodes.len()),
    }
}
