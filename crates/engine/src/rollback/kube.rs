//! Changes of the cluster's objects that several masters' journals hold, put together: each object goes back once, to what it was first.

use std::collections::BTreeMap;

use barque_agent::UndoAnswer;
use barque_model::{HostName, RunId, Taint};
use barque_plan::KubeUndo;

use crate::{EngineError, Sessions};

/// The changes of one object or node by host, in the order in which they are found.
type ByName = Vec<(String, Vec<(HostName, KubeUndo)>)>;

/// What all hosts would undo in the cluster. `later` are the runs taken back after the first one, oldest first.
pub(super) async fn changes(
    sessions: &Sessions,
    answers: &BTreeMap<HostName, UndoAnswer>,
    later: &[RunId],
) -> Result<Vec<KubeUndo>, EngineError> {
    let mut changes = Vec::new();
    for (name, mut undos) in by_name(answers) {
        if undos.len() > 1
            && let Some(first) = first_changer(sessions, &name, &undos, later).await?
        {
            undos.sort_by_key(|(host, _)| *host != first);
        } else {
            // Both in one run: what did not exist for one of them did not exist before.
            undos.sort_by_key(|(_, undo)| !matches!(undo, KubeUndo::Delete { .. }));
        }
        changes.extend(undos.into_iter().map(|(_, undo)| undo).reduce(combine));
    }
    Ok(changes)
}

fn by_name(answers: &BTreeMap<HostName, UndoAnswer>) -> ByName {
    let mut found: ByName = Vec::new();
    for (host, answer) in answers {
        for undo in &answer.kube {
            let name = undo.name();
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, undos)) => undos.push((host.clone(), undo.clone())),
                None => found.push((name, vec![(host.clone(), undo.clone())])),
            }
        }
    }
    found
}

/// The host that changed the object first: what it would undo changes with the earliest run that is left out. `None` when they did in
/// the same run.
async fn first_changer(
    sessions: &Sessions,
    name: &str,
    undos: &[(HostName, KubeUndo)],
    later: &[RunId],
) -> Result<Option<HostName>, EngineError> {
    for run in later {
        for (host, undo) in undos {
            let Some(agent) = sessions.agent(host) else { continue };
            let answer = agent.undo_items(run.clone()).await;
            let answer = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
            if answer.kube.iter().find(|known| known.name() == name) != Some(undo) {
                return Ok(Some(host.clone()));
            }
        }
    }
    Ok(None)
}

/// Two changes of the same thing taken back together; for what both changed, the first says what it was.
fn combine(first: KubeUndo, other: KubeUndo) -> KubeUndo {
    match (first, other) {
        (
            KubeUndo::Node { name, mut labels, mut remove_labels, mut taints, mut remove_taints },
            KubeUndo::Node { labels: more, remove_labels: more_removed, taints: more_taints, remove_taints: more_removed_taints, .. },
        ) => {
            for (key, value) in more {
                if !remove_labels.contains(&key) {
                    labels.entry(key).or_insert(value);
                }
            }
            for key in more_removed {
                if !labels.contains_key(&key) && !remove_labels.contains(&key) {
                    remove_labels.push(key);
                }
            }
            let same = |one: &Taint, other: &Taint| one.key == other.key && one.effect == other.effect;
            for taint in more_taints {
                if !taints.iter().chain(&remove_taints).any(|known| same(known, &taint)) {
                    taints.push(taint);
                }
            }
            for taint in more_removed_taints {
                if !remove_taints.contains(&taint) && !taints.iter().any(|known| same(known, &taint)) {
                    remove_taints.push(taint);
                }
            }
            KubeUndo::Node { name, labels, remove_labels, taints, remove_taints }
        }
        (first, _) => first,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_object_is_listed_once_with_all_who_changed_it() {
        let object = |kind: &str| KubeUndo::Delete { object: format!(r#"{{"kind":"{kind}","metadata":{{"name":"a"}}}}"#) };
        let answer = |kinds: &[&str]| UndoAnswer { items: Vec::new(), kube: kinds.iter().map(|kind| object(kind)).collect() };
        let answers = [("m1".parse().unwrap(), answer(&["B", "A"])), ("m2".parse().unwrap(), answer(&["A", "C"]))].into();
        let found = by_name(&answers);
        let listed: Vec<(&str, usize)> = found.iter().map(|(name, undos)| (name.as_str(), undos.len())).collect();
        assert_eq!(listed, [("B a", 1), ("A a", 2), ("C a", 1)]);
    }

    #[test]
    fn the_first_says_what_a_label_was() {
        let node = |labels: &[(&str, &str)], removed: &[&str]| KubeUndo::Node {
            name: "n1".into(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            remove_labels: removed.iter().map(|label| (*label).to_owned()).collect(),
            taints: Vec::new(),
            remove_taints: Vec::new(),
        };
        let first = node(&[("a", "1")], &["b"]);
        let other = node(&[("a", "2"), ("b", "2"), ("c", "2")], &["a", "d"]);
        assert_eq!(combine(first, other), node(&[("a", "1"), ("c", "2")], &["b", "d"]));
        let (before, made) = (KubeUndo::Replace { object: "{}".into() }, KubeUndo::Delete { object: "{}".into() });
        assert_eq!(combine(before.clone(), made.clone()), before);
        assert_eq!(combine(made.clone(), before), made);
    }
}
