//! Cluster objects and nodes that this host's agent changed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use barque_model::{RunId, Taint};
use barque_plan::{KubeUndo, ObjectEntry};
use serde_json::Value;

use super::timeline::Timeline;
use crate::{Ending, NodeFormer, Record};

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
#[derive(Debug, Clone)]
struct NodeUndo {
    former: NodeFormer,
    /// Of a rollback that ended well: the state of before this run came back.
    back_to: Option<RunId>,
}

impl NodeUndo {
    /// Whether going back to before `run` has to undo it. A rollback to before `run` or a later one led to a state from which the changes
    /// still in force lead on.
    fn counts(&self, run: &RunId) -> bool {
        self.back_to.as_ref().is_none_or(|back_to| back_to < run)
    }
}

/// The part of the ledger that concerns the cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    objects: BTreeMap<String, Timeline<Option<String>, ObjectUndo>>,
    /// The runs that last changed objects before the journals that are left.
    earlier: BTreeMap<String, RunId>,
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
            Record::ObjectRemoval { object, prior, .. } if ending != Some(Ending::Unchanged) => {
                let timeline = self.objects.entry(name_of(object)).or_insert_with(|| Timeline::new(Some(prior.clone())));
                // One that failed or was cut off may have left it: whoever asks what is there looks.
                let content = if ending == Some(Ending::Changed) { None } else { Some(object.clone()) };
                timeline.change(run, order, ObjectUndo { prior: Some(prior.clone()), identity: object.clone() }, content);
            }
            Record::NodeIntent { node, labels, taints_added, taints_former, .. } if ending != Some(Ending::Unchanged) => {
                let timeline = self.nodes.entry(format!("Node {node}")).or_insert_with(|| Timeline::new(()));
                let former =
                    NodeFormer { labels: labels.clone(), taints_added: taints_added.clone(), taints_former: taints_former.clone() };
                timeline.change(run, order, NodeUndo { former, back_to: None }, ());
            }
            Record::KubeRestore { before, names, nodes, .. } => {
                // One that was cut off or failed took an unknown part back.
                let done = matches!(ending, Some(Ending::Changed | Ending::Unchanged));
                for name in names {
                    let node = name.strip_prefix("Node ").and_then(|node| nodes.get(node)).cloned();
                    self.restore(run, order, name, before, (done, node.unwrap_or_default()));
                }
            }
            _ => {}
        }
    }

    fn restore(&mut self, run: &RunId, order: usize, name: &str, before: &RunId, (done, former): (bool, NodeFormer)) {
        if let Some(node) = self.nodes.get_mut(name) {
            if done {
                node.restore(run, order, NodeUndo { former, back_to: Some(before.clone()) }, before, ());
            } else {
                node.change(run, order, NodeUndo { former, back_to: None }, ());
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

    /// Takes up what is left of pruned runs.
    pub(super) fn begin(&mut self, entries: &[ObjectEntry]) {
        for entry in entries {
            self.objects.insert(entry.name.clone(), Timeline::new(entry.object.clone()));
            self.earlier.insert(entry.name.clone(), entry.run.clone());
        }
    }

    /// Every object that this host's agent changed, as it was left.
    pub(super) fn entries(&self) -> Vec<ObjectEntry> {
        let entries = self.objects.iter().filter_map(|(name, timeline)| {
            let run = timeline.changes().last().map(|change| &change.run).or_else(|| self.earlier.get(name))?;
            Some(ObjectEntry { name: name.clone(), object: timeline.content().clone(), run: run.clone() })
        });
        entries.collect()
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
            let undone = timeline.in_force().filter(|change| change.run >= *before && change.undo.counts(before));
            let undone = undone.map(|change| &change.undo.former);
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

/// One undo for several changes of a node, oldest first: a label or a taint goes back to what it was before the first.
fn merged<'a>(name: &str, changes: impl Iterator<Item = &'a NodeFormer>) -> Option<KubeUndo> {
    let mut former: BTreeMap<&String, &Option<String>> = BTreeMap::new();
    let (mut remove_taints, mut taints): (Vec<Taint>, Vec<Taint>) = (Vec::new(), Vec::new());
    let same = |one: &Taint, other: &Taint| one.key == other.key && one.effect == other.effect;
    for change in changes {
        for (label, value) in &change.labels {
            former.entry(label).or_insert(value);
        }
        for taint in &change.taints_former {
            let known = taints.iter().chain(&remove_taints).any(|known| same(known, taint));
            if !known {
                taints.push(taint.clone());
            }
        }
        for taint in &change.taints_added {
            if !remove_taints.contains(taint) && !taints.iter().any(|known| same(known, taint)) {
                remove_taints.push(taint.clone());
            }
        }
    }
    let labels = former.iter().filter_map(|(label, value)| Some(((*label).clone(), (*value).clone()?))).collect::<BTreeMap<_, _>>();
    let remove_labels: Vec<String> = former.into_iter().filter(|(_, value)| value.is_none()).map(|(label, _)| label.clone()).collect();
    let nothing = labels.is_empty() && remove_labels.is_empty() && taints.is_empty() && remove_taints.is_empty();
    (!nothing).then(|| KubeUndo::Node { name: name.to_owned(), labels, remove_labels, taints, remove_taints })
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
