//! Changes through the Kubernetes API, each in the journal of the host that makes it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use barque_event::Failure;
use barque_kube::{Client, KubeError, NodeChange};
use barque_model::{NodeState, ObjectDifference, RunId, Taint};
use barque_plan::KubeUndo;

use crate::journal::{Ending, Journal};
use crate::kube_calls::{failed, name_of};
use crate::kube_removal as removal;
use crate::session::Session;
use crate::{Applied, KubeChange, KubeChangeRequest, NodeFormer};

/// Makes a change. What is as wanted already is left alone and not in the journal.
pub(crate) async fn change(session: &Session, request: KubeChangeRequest) -> Result<Applied, Failure> {
    let KubeChangeRequest { run, step, access, change } = request;
    let changed = match session.kube(&access) {
        Ok(client) => {
            let journal = session.journal(&run).await?;
            Change { client, journal, step: &step }.make(change).await
        }
        Err(error) => Err(failed("the API server", &error)),
    };
    changed.map_err(|failure| if failure.step.is_empty() { Failure { step: step.clone(), ..failure } } else { failure })
}

pub(crate) struct Change<'a> {
    pub(crate) client: Client,
    pub(crate) journal: Arc<Journal>,
    pub(crate) step: &'a str,
}

impl Change<'_> {
    async fn make(&self, change: KubeChange) -> Result<Applied, Failure> {
        let changed = match change {
            KubeChange::Apply(objects) => {
                let mut changed = false;
                for object in objects {
                    changed |= self.apply(&object).await?;
                }
                Ok(changed)
            }
            KubeChange::Remove(objects) => return removal::remove(self, &objects).await,
            KubeChange::SetNode { name, labels, taints } => self.set_node(&name, &labels, &taints).await,
            KubeChange::Undo { changes, before } => self.undo(&changes, &before).await,
        };
        Ok(Applied { changed: changed?, notes: Vec::new() })
    }

    async fn apply(&self, object: &str) -> Result<bool, Failure> {
        let because = |error: KubeError| failed(&name_of(object), &error);
        let prior = self.client.live(object).await.map_err(because)?;
        if prior.is_some() && self.client.difference(object).await.map_err(because)?.state == ObjectDifference::Same {
            return Ok(false);
        }
        let seq = self.journal.object(self.step, object, prior).await.map_err(|error| journal_failure(&error))?;
        let applied = self.client.apply(object).await.map_err(because);
        self.end(seq, applied.map(|was| was.state != ObjectDifference::Same))
    }

    async fn set_node(&self, name: &str, labels: &BTreeMap<String, String>, taints: &[Taint]) -> Result<bool, Failure> {
        let what = format!("Node {name}");
        let because = |error: KubeError| failed(&what, &error);
        let nodes = self.client.nodes().await.map_err(because)?;
        let Some(node) = nodes.into_iter().find(|node| node.name == name) else {
            return Err(because(KubeError::NotFound(format!("node `{name}` has not registered"))));
        };
        let former = former(&node, &NodeChange { labels, remove_labels: &[], taints, remove_taints: &[] });
        if former.is_empty() {
            return Ok(false);
        }
        let seq = self.journal.node(self.step, name, former).await.map_err(|error| journal_failure(&error))?;
        let set = self.client.set_node(name, labels, taints).await.map_err(because);
        self.end(seq, set)
    }

    /// Takes all back that can be: a change that cannot does not keep the others, unless the API server does not answer.
    async fn undo(&self, changes: &[KubeUndo], before: &RunId) -> Result<bool, Failure> {
        let names = changes.iter().map(KubeUndo::name).collect();
        let nodes = self.former_nodes(changes).await?;
        let seq = self.journal.kube_restore(self.step, before, names, nodes).await.map_err(|error| journal_failure(&error))?;
        let mut changed = false;
        let mut failures: Vec<Failure> = Vec::new();
        for undo in changes {
            match self.undo_one(undo).await {
                Ok(done) => changed |= done,
                Err(error) => {
                    failures.push(failed(&undo.name(), &error));
                    if error.is_retryable() {
                        break;
                    }
                }
            }
        }
        self.end(seq, joined(failures).map_or(Ok(changed), Err))
    }

    /// What of the nodes among `changes` is about to change.
    async fn former_nodes(&self, changes: &[KubeUndo]) -> Result<BTreeMap<String, NodeFormer>, Failure> {
        if !changes.iter().any(|change| matches!(change, KubeUndo::Node { .. })) {
            return Ok(BTreeMap::new());
        }
        let nodes = self.client.nodes().await.map_err(|error| failed("nodes", &error))?;
        let formers = changes.iter().filter_map(|change| {
            let KubeUndo::Node { name, labels, remove_labels, taints, remove_taints } = change else { return None };
            let node = nodes.iter().find(|node| node.name == *name)?;
            Some((name.clone(), former(node, &NodeChange { labels, remove_labels, taints, remove_taints })))
        });
        Ok(formers.filter(|(_, former)| !former.is_empty()).collect())
    }

    async fn undo_one(&self, undo: &KubeUndo) -> Result<bool, KubeError> {
        match undo {
            KubeUndo::Delete { object } => self.client.delete(object).await,
            KubeUndo::Replace { object } => self.client.replace(object).await,
            KubeUndo::Node { name, labels, remove_labels, taints, remove_taints } => {
                self.client.change_node(name, &NodeChange { labels, remove_labels, taints, remove_taints }).await
            }
        }
    }

    /// Records how an intent ended.
    pub(crate) fn end(&self, seq: u64, result: Result<bool, Failure>) -> Result<bool, Failure> {
        let (ending, message) = match &result {
            Ok(true) => (Ending::Changed, ""),
            Ok(false) => (Ending::Unchanged, ""),
            Err(failure) => (Ending::Failed, failure.message.as_str()),
        };
        self.journal.outcome(seq, ending, message).map_err(|error| journal_failure(&error))?;
        result
    }
}

/// What `change` is about to change of the node, as it is.
fn former(node: &NodeState, change: &NodeChange<'_>) -> NodeFormer {
    let differing = change.labels.iter().filter(|(key, value)| node.labels.get(*key) != Some(*value)).map(|(key, _)| key);
    let going = change.remove_labels.iter().filter(|key| node.labels.contains_key(*key));
    let labels = differing.chain(going).map(|key| (key.clone(), node.labels.get(key).cloned())).collect();
    let there = |taint: &Taint| node.taints.iter().find(|there| there.key == taint.key && there.effect == taint.effect);
    let taints_added = change.taints.iter().filter(|taint| there(taint).is_none()).cloned().collect();
    let revalued = change.taints.iter().filter_map(|taint| there(taint).filter(|there| *there != taint));
    let removed = change.remove_taints.iter().filter(|taint| node.taints.contains(taint));
    NodeFormer { labels, taints_added, taints_former: revalued.chain(removed).cloned().collect() }
}

/// One failure for all: the first, with the others below it. Worth another try when any of them is.
fn joined(failures: Vec<Failure>) -> Option<Failure> {
    let count = failures.len();
    let retryable = failures.iter().any(|failure| failure.retryable);
    let output = failures.iter().map(|failure| failure.message.clone()).collect();
    let first = failures.into_iter().next()?;
    if count == 1 {
        return Some(first);
    }
    Some(Failure { message: format!("{count} changes cannot be taken back, the first: {}", first.message), output, retryable, ..first })
}

pub(crate) fn journal_failure(error: &io::Error) -> Failure {
    Failure::new(format!("the journal of the run cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::TaintEffect;

    use super::*;

    #[test]
    fn only_what_is_about_to_change_is_noted() {
        let taint = |key: &str, value: &str| Taint { key: key.into(), value: value.into(), effect: TaintEffect::NoSchedule };
        let text = |text: &str| text.to_owned();
        let node = NodeState {
            name: "m1".into(),
            ready: true,
            message: String::new(),
            version: String::new(),
            addresses: Vec::new(),
            labels: BTreeMap::from([(text("same"), text("x")), (text("other"), text("old")), (text("foreign"), text("y"))]),
            taints: vec![taint("there", ""), taint("valued", "old")],
        };
        let labels = BTreeMap::from([(text("same"), text("x")), (text("other"), text("new")), (text("fresh"), String::new())]);
        let taints = [taint("there", ""), taint("valued", "new"), taint("fresh", "")];
        let setting = former(&node, &NodeChange { labels: &labels, remove_labels: &[], taints: &taints, remove_taints: &[] });
        assert_eq!(setting.labels, BTreeMap::from([(text("other"), Some(text("old"))), (text("fresh"), None)]));
        assert_eq!((setting.taints_added, setting.taints_former), (vec![taint("fresh", "")], vec![taint("valued", "old")]));
        let remove_labels = [text("foreign"), text("unknown")];
        let remove_taints = [taint("there", ""), taint("valued", "new")];
        let going = former(
            &node,
            &NodeChange { labels: &BTreeMap::new(), remove_labels: &remove_labels, taints: &[], remove_taints: &remove_taints },
        );
        assert_eq!(going.labels, BTreeMap::from([(text("foreign"), Some(text("y")))]));
        assert_eq!((going.taints_added, going.taints_former), (Vec::new(), vec![taint("there", "")]));
    }

    #[test]
    fn failures_are_told_together() {
        assert_eq!(joined(Vec::new()), None);
        assert_eq!(joined(vec![Failure::new("a")]), Some(Failure::new("a")));
        let both = joined(vec![Failure::new("a"), Failure::new("b").retryable()]).unwrap();
        assert_eq!(
            (both.message.as_str(), both.output, both.retryable),
            ("2 changes cannot be taken back, the first: a", vec!["a".to_owned(), "b".to_owned()], true)
        );
    }
}
