//! What a run changed on each host, and what is kept of the former state.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::{AgentClient, Ending, Record};
use barque_model::{Digest, HostName, RunId, Taint};
use barque_plan::{KubeUndo, Prior, ResourceId};
use barque_store::StateDirectory;
use futures::future::join_all;
use serde::Serialize;

use crate::{Context, EngineError, Events, Pending, Sessions};

/// Contents asked for at once: each may have 1 MiB, and a message is bounded.
const CONTENTS_AT_ONCE: usize = 16;

/// What a run changed, as the hosts' journals tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// The run.
    pub run: RunId,
    /// The hosts that have a journal of it.
    pub hosts: Vec<HostChanges>,
    /// Hosts that did not answer.
    pub silent: Vec<Pending>,
}

/// What a run changed on a host, in order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostChanges {
    /// The host.
    pub host: HostName,
    /// The changes.
    pub changes: Vec<ResourceChange>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// What was changed.
    pub resource: ResourceId,
    /// How it ended.
    pub result: ChangeResult,
    /// What was there before.
    pub former: Former,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeResult {
    /// Changed, and verified.
    Changed,
    /// Failed.
    Failed,
    /// A crash cut it off.
    Open,
}

/// What was there before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Former {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// The first digits of its content's SHA-256.
        digest: String,
        /// Its mode.
        mode: u32,
        /// Its owner and group.
        owner: String,
        /// Whether the host still has the content; content beyond 1 MiB is not looked for and counts as gone.
        kept: bool,
    },
    /// Something else, in words.
    Other {
        /// What.
        text: String,
    },
}

/// Asks every host that answers what `run` changed there.
pub async fn run_detail(context: &Context, run: &RunId, events: &Events) -> Result<RunDetail, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_some(context, &state, events).await?;
    let agents = sessions.agents();
    let asked = join_all(agents.into_iter().map(|(host, agent)| async move { (host, changes(&agent, run).await) })).await;
    sessions.close().await;
    let mut hosts = Vec::new();
    for (host, answer) in asked {
        let changes = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
        if !changes.is_empty() {
            hosts.push(HostChanges { host, changes });
        }
    }
    Ok(RunDetail { run: run.clone(), hosts, silent: problems.into_iter().map(Pending::from).collect() })
}

async fn changes(agent: &AgentClient, run: &RunId) -> Result<Vec<ResourceChange>, barque_agent::AgentError> {
    let records = agent.run_records(run.clone()).await?;
    let digests: Vec<Digest> = digests(&records).into_iter().collect();
    let mut kept = BTreeSet::new();
    for some in digests.chunks(CONTENTS_AT_ONCE) {
        let contents = agent.prior_contents(some.to_vec()).await?;
        kept.extend(some.iter().zip(contents).filter(|(_, content)| content.is_some()).map(|(digest, _)| *digest));
    }
    Ok(told(&records, &kept))
}

fn digests(records: &[Record]) -> BTreeSet<Digest> {
    let former = records.iter().filter_map(|record| match record {
        Record::Intent { prior: Prior::File { digest, .. }, .. } | Record::Restore { prior: Prior::File { digest, .. }, .. } => {
            Some(*digest)
        }
        _ => None,
    });
    former.collect()
}

fn told(records: &[Record], kept: &BTreeSet<Digest>) -> Vec<ResourceChange> {
    let endings: BTreeMap<u64, Ending> = records
        .iter()
        .filter_map(|record| match record {
            Record::Outcome { intent, result, .. } => Some((*intent, *result)),
            _ => None,
        })
        .collect();
    let mut changes = Vec::new();
    for record in records {
        let Some((seq, what)) = what(record, kept) else { continue };
        let result = match endings.get(&seq) {
            Some(Ending::Changed) => ChangeResult::Changed,
            Some(Ending::Failed) => ChangeResult::Failed,
            Some(Ending::Unchanged) => continue,
            Some(Ending::Observed) | None => ChangeResult::Open,
        };
        changes.extend(what.into_iter().map(|(resource, former)| ResourceChange { resource, result, former }));
    }
    changes
}

/// What a record says is about to be changed, and what was there; `None` for what is no intent.
fn what(record: &Record, kept: &BTreeSet<Digest>) -> Option<(u64, Vec<(ResourceId, Former)>)> {
    let other = |text: String| Former::Other { text };
    match record {
        Record::Intent { seq, resource, prior, .. } | Record::Restore { seq, resource, prior, .. } => {
            Some((*seq, vec![(resource.id(), former(prior, kept))]))
        }
        Record::ObjectIntent { seq, object, prior, .. } => {
            let name = KubeUndo::Delete { object: object.clone() }.name();
            let former = if prior.is_some() { other("an earlier version, in the journal".to_owned()) } else { Former::Absent };
            Some((*seq, vec![(ResourceId(name), former)]))
        }
        Record::ObjectRemoval { seq, object, .. } => {
            let name = KubeUndo::Delete { object: object.clone() }.name();
            Some((*seq, vec![(ResourceId(name), other("it was there, in the journal".to_owned()))]))
        }
        Record::NodeIntent { seq, node, labels, taints_added, taints_former, .. } => {
            let words = node_words(labels, taints_added, taints_former);
            Some((*seq, vec![(ResourceId(format!("Node {node}")), other(words))]))
        }
        Record::KubeRestore { seq, names, nodes, .. } => {
            let words = |name: &String| match name.strip_prefix("Node ").and_then(|node| nodes.get(node)) {
                Some(former) => node_words(&former.labels, &former.taints_added, &former.taints_former),
                None => "what the runs taken back had made of it".to_owned(),
            };
            Some((*seq, names.iter().map(|name| (ResourceId(name.clone()), other(words(name)))).collect()))
        }
        Record::TakeBack { .. } | Record::Outcome { .. } | Record::End { .. } => None,
    }
}

/// A node's former labels and taints.
fn node_words(labels: &BTreeMap<String, Option<String>>, taints_added: &[Taint], taints_former: &[Taint]) -> String {
    let labels = labels.iter().map(|(key, value)| match value {
        Some(value) => format!("label {key}={value}"),
        None => format!("no label {key}"),
    });
    let added = taints_added.iter().map(|taint| format!("no taint {taint}"));
    let former = taints_former.iter().map(|taint| format!("taint {taint}"));
    labels.chain(added).chain(former).collect::<Vec<_>>().join(", ")
}

fn former(prior: &Prior, kept: &BTreeSet<Digest>) -> Former {
    let text = match prior {
        Prior::Absent => return Former::Absent,
        Prior::File { digest, mode, owner } => {
            let owner = format!("{}:{}", owner.user, owner.group);
            return Former::File { digest: digest.short(), mode: *mode, owner, kept: kept.contains(digest) };
        }
        Prior::Link { target } => format!("link to {target}"),
        Prior::Directory { mode, owner } => format!("directory, mode {mode:04o}, {}:{}", owner.user, owner.group),
        Prior::Unit { state } if !state.loaded => return Former::Absent,
        Prior::Unit { state } => format!("unit, {}, {}", state.active, if state.enabled { "enabled" } else { "not enabled" }),
        Prior::User => "user".to_owned(),
        Prior::Sysctl { value } => format!("value {value}"),
        Prior::Package { installed } if installed.is_empty() => return Former::Absent,
        Prior::Package { installed } => installed.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", "),
        Prior::Image { digest } => {
            digest.map_or_else(|| "image of another source".to_owned(), |digest| format!("image {}", digest.short()))
        }
        Prior::Other { what } => what.clone(),
    };
    Former::Other { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Owner, TaintEffect};
    use barque_plan::{Change, Difference, File, Resource};

    use super::*;

    fn intent(seq: u64, path: &str, prior: Prior) -> Record {
        let file = File { path: path.into(), digest: Digest::of(b"new"), mode: 0o644, owner: Owner::root(), sensitive: false };
        let difference = Difference { change: Change::Update, reasons: Vec::new() };
        Record::Intent { format: 1, seq, at_millis: 0, step: String::new(), resource: Box::new(Resource::File(file)), difference, prior }
    }

    #[test]
    fn what_was_tried_and_changed_nothing_is_left_out() {
        let file = |content: &[u8]| Prior::File { digest: Digest::of(content), mode: 0o600, owner: Owner::root() };
        let outcome = |intent, result| Record::Outcome { format: 1, intent, at_millis: 0, result, message: String::new() };
        let records = [
            intent(1, "/a", file(b"a")),
            outcome(1, Ending::Changed),
            intent(2, "/b", file(b"b")),
            outcome(2, Ending::Failed),
            intent(3, "/c", Prior::Absent),
            outcome(3, Ending::Unchanged),
            intent(4, "/d", Prior::Link { target: "/x".into() }),
        ];
        assert_eq!(digests(&records), [Digest::of(b"a"), Digest::of(b"b")].into());
        let told = told(&records, &[Digest::of(b"a")].into());
        let shown: Vec<_> = told.iter().map(|change| (change.resource.0.as_str(), change.result)).collect();
        assert_eq!(shown, [("file /a", ChangeResult::Changed), ("file /b", ChangeResult::Failed), ("file /d", ChangeResult::Open)]);
        let kept = |change: &ResourceChange| matches!(change.former, Former::File { kept: true, .. });
        assert_eq!(told.iter().map(kept).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(told[2].former, Former::Other { text: "link to /x".into() });
    }

    #[test]
    fn cluster_objects_and_nodes_are_told_too() {
        let (step, taint) = (String::new, Taint { key: "k".into(), value: String::new(), effect: TaintEffect::NoSchedule });
        let object = |kind: &str| format!(r#"{{"kind":"{kind}","metadata":{{"name":"a","namespace":"b"}}}}"#);
        let labels = [("x".to_owned(), Some("1".to_owned())), ("y".to_owned(), None)].into();
        let before = "20261125T010000Z-0001".parse().unwrap();
        let records = [
            Record::ObjectIntent { format: 1, seq: 1, at_millis: 0, step: step(), object: object("A"), prior: None },
            Record::ObjectIntent { format: 1, seq: 2, at_millis: 0, step: step(), object: object("B"), prior: Some(object("B")) },
            Record::NodeIntent {
                format: 1,
                seq: 3,
                at_millis: 0,
                step: step(),
                node: "n1".into(),
                labels,
                taints_added: vec![taint],
                taints_former: Vec::new(),
            },
            Record::KubeRestore {
                format: 1,
                seq: 4,
                at_millis: 0,
                step: step(),
                before,
                names: vec!["C d".into(), "E f".into()],
                nodes: BTreeMap::new(),
            },
        ];
        let told = told(&records, &BTreeSet::new());
        let shown: Vec<String> = told.iter().map(|change| format!("{} {:?}", change.resource, change.former)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        A b/a Absent
        B b/a Other { text: "an earlier version, in the journal" }
        Node n1 Other { text: "label x=1, no label y, no taint k:NoSchedule" }
        C d Other { text: "what the runs taken back had made of it" }
        E f Other { text: "what the runs taken back had made of it" }
        "#);
    }
}
