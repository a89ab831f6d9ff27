//! Cluster objects and nodes that this host's agent changed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use barque_model::{RunId, Taint};
use barque_plan::KubeUndo;
use serde_json::Value;

use super::timeline::Timeline;
use crate::{Ending, Record};

/// Members of `metadata` that the API server writes and does not take back. Who owns which field (`managedFields`) is no such member:
/// it is brought back with the object.
const SERVER_METADATA: [&str; 5] = ["resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// What undoes the change of an object.
#[derive(Debug, Clone)]
struct ObjectUndo {
    /// The object before the change.
    prior: Option<String>,
    /// Any form of the object, for its identity.
    identity: String,
}

/// What undoes the change of a node.
#[derive(Debug, Clone, Default)]
struct NodeUndo {
    labels: BTreeMap<String, Option<String>>,
    taints_added: Vec<Taint>,
}

/// The part of the ledger that concerns the cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    objects: BTreeMap<String, Timeline<Option<String>, ObjectUndo>>,
    nodes: BTreeMap<String, Timeline<(), NodeUndo>>,
}

/// `Kind namespace/name` of an object's JSON.
pub(super) fn name_of(object: &str) -> String {
    KubeUndo::Delete { object: object.to_owned() }.name()
}

impl Cluster {
    /// Takes up a record of a change in the cluster. Other records are none of its business.
    pub(super) fn fold(&mut self, run: &RunId, order: usize, record: &Record, ending: Option<Ending>) {
        match record {
            Record::ObjectIntent { object, prior, .. } if ending != Some(Ending::Unchanged) => {
                let timeline = self.objects.entry(name_of(object)).or_insert_with(|| Timeline::new(prior.clone()));
                timeline.change(run, order, ObjectUndo { prior: prior.clone(), identity: object.clone() }, Some(object.clone()));
            }
            Record::NodeIntent { node, labels, taints_added, .. } if ending != Some(Ending::Unchanged) => {
                let timeline = self.nodes.entry(format!("Node {node}")).or_insert_with(|| Timeline::new(()));
                timeline.change(run, order, NodeUndo { labels: labels.clone(), taints_added: taints_added.clone() }, ());
            }
            Record::KubeRestore { before, names, .. } => {
                // One that was cut off or failed took an unknown part back.
                let done = matches!(ending, Some(Ending::Changed | Ending::Unchanged));
                for name in names {
                    self.restore(run, order, name, before, done);
                }
            }
            _ => {}
        }
    }

    fn restore(&mut self, run: &RunId, order: usize, name: &str, before: &RunId, done: bool) {
        if let Some(node) = self.nodes.get_mut(name) {
            // Labels that were set are not in the journal, only what they were before: taking a rollback back leaves nodes to the next
            // run, which sets them again.
            if done {
                node.restore(run, order, NodeUndo::default(), before, ());
            } else {
                node.change(run, order, NodeUndo::default(), ());
            }
        }
        let Some(object) = self.objects.get_mut(name) else { return };
        let Some(last) = object.changes().last() else { return };
        let (present, identity) = (object.content().clone(), last.undo.identity.clone());
        let undo = ObjectUndo { prior: present.clone(), identity };
        match object.first(before).map(|first| first.undo.prior.clone()) {
            Some(former) if done => object.restore(run, order, undo, before, former),
            _ => object.change(run, order, undo, present),
        }
    }

    /// What taking back `before` and every later run would do in the cluster: what changed last comes first.
    pub(super) fn undo(&self, before: &RunId) -> Vec<KubeUndo> {
        let objects = self.objects.values().filter_map(|timeline| {
            let (first, last) = (timeline.to_undo(before)?, timeline.changes().last()?);
            Some((
                last.order,
                match &first.undo.prior {
                    None => KubeUndo::Delete { object: first.undo.identity.clone() },
                    Some(prior) => KubeUndo::Replace { object: stripped(prior) },
                },
            ))
        });
        let nodes = self.nodes.iter().filter_map(|(name, timeline)| {
            timeline.to_undo(before)?;
            let undone = timeline.in_force().filter(|change| change.run >= *before).map(|change| &change.undo);
            Some((timeline.changes().last()?.order, merged(name.strip_prefix("Node ")?, undone)?))
        });
        let mut found: Vec<(usize, KubeUndo)> = objects.chain(nodes).collect();
        found.sort_by_key(|(order, _)| Reverse(*order));
        found.into_iter().map(|(_, undo)| undo).collect()
    }

    /// The runs of which a change is in force, each once or more often.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &RunId> {
        let objects = self.objects.values().flat_map(Timeline::in_force).map(|change| &change.run);
        objects.chain(self.nodes.values().flat_map(Timeline::in_force).map(|change| &change.run))
    }
}

/// One undo for several changes of a node, oldest first: a label goes back to what it was before the first.
fn merged<'a>(name: &str, changes: impl Iterator<Item = &'a NodeUndo>) -> Option<KubeUndo> {
    let mut former: BTreeMap<&String, &Option<String>> = BTreeMap::new();
    let mut remove_taints: Vec<Taint> = Vec::new();
    for change in changes {
        for (label, value) in &change.labels {
            former.entry(label).or_insert(value);
        }
        for taint in &change.taints_added {
            if !remove_taints.contains(taint) {
                remove_taints.push(taint.clone());
            }
        }
    }
    let labels = former.iter().filter_map(|(label, value)| Some(((*label).clone(), (*value).clone()?))).collect::<BTreeMap<_, _>>();
    let remove_labels: Vec<String> = former.into_iter().filter(|(_, value)| value.is_none()).map(|(label, _)| label.clone()).collect();
    let nothing = labels.is_empty() && remove_labels.is_empty() && remove_taints.is_empty();
    (!nothing).then(|| KubeUndo::Node { name: name.to_owned(), labels, remove_labels, remove_taints })
}

/// An object's JSON without what only the server writes.
fn stripped(object: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(object) else { return object.to_owned() };
    if let Some(members) = value.as_object_mut() {
        members.shift_remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for member in SERVER_METADATA {
            metadata.shift_remove(member);
        }
    }
    value.to_string()
}
