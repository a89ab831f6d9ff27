//! `--only`: single files go back, and nothing else.

use std::collections::BTreeMap;

use barque_agent::AgentClient;
use barque_event::Stage;
use barque_model::{HostName, RunId};
use barque_plan::{Action, PLAN_FORMAT, Plan, Resource, Step, StepId, UndoItem};

use super::RollbackError;
use crate::survey::{Survey, is_in_force};
use crate::{Context, EngineError, Sessions};

/// A file of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPath {
    pub(super) host: HostName,
    pub(super) path: String,
}

impl HostPath {
    pub(super) fn parse(text: &str) -> Result<Self, RollbackError> {
        let wrong = || RollbackError::Only(text.to_owned());
        let (host, path) = text.split_once(':').ok_or_else(wrong)?;
        if !path.starts_with('/') || path.len() == 1 {
            return Err(wrong());
        }
        Ok(Self { host: host.parse().map_err(|_| wrong())?, path: path.to_owned() })
    }
}

/// A file to restore, and the run before which it was so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) host: HostName,
    pub(super) item: UndoItem,
    pub(super) before: RunId,
}

/// Finds the former state of each file: before `to`, or before the newest run that changed it.
pub(super) async fn choose(
    context: &Context,
    sessions: &Sessions,
    survey: &Survey,
    only: &[String],
    to: Option<&RunId>,
) -> Result<Vec<Chosen>, EngineError> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for text in only {
        let HostPath { host, path } = HostPath::parse(text)?;
        if context.cluster.host(&host).is_none() {
            return Err(RollbackError::OnlyHost(host).into());
        }
        let Some(agent) = sessions.agent(&host) else { return Err(RollbackError::OnlySilent(host).into()) };
        if chosen.iter().any(|known| known.host == host && path_of(&known.item.resource) == Some(path.as_str())) {
            continue;
        }
        let runs: Vec<RunId> = if let Some(run) = to {
            vec![run.clone()]
        } else {
            let known = survey.hosts.get(&host).into_iter().flat_map(|runs| runs.runs.iter().rev());
            known.filter(|run| is_in_force(run)).map(|run| run.run.clone()).collect()
        };
        match former(&agent, &host, &path, &runs).await? {
            Some((item, before)) => chosen.push(Chosen { host, item, before }),
            None => return Err(RollbackError::OnlyUnchanged { host, path }.into()),
        }
    }
    Ok(chosen)
}

async fn former(agent: &AgentClient, host: &HostName, path: &str, runs: &[RunId]) -> Result<Option<(UndoItem, RunId)>, EngineError> {
    for run in runs {
        let answer = agent.undo_items(run.clone()).await;
        let answer = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
        if let Some(item) = answer.items.into_iter().find(|item| path_of(&item.resource) == Some(path)) {
            return Ok(Some((item, run.clone())));
        }
    }
    Ok(None)
}

fn path_of(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::File(file) => Some(&file.path),
        Resource::Binary(binary) => Some(&binary.path),
        _ => None,
    }
}

/// A plan that restores the files, all at once.
pub(super) fn plan(chosen: &[Chosen]) -> Plan {
    let steps = chosen.iter().zip(0..).map(|(Chosen { host, item, before }, number)| {
        let path = path_of(&item.resource).unwrap_or_default();
        let verb = if item.prior.is_absent() { "remove" } else { "restore" };
        let action = Action::Restore { resource: item.resource.clone(), prior: item.prior.clone(), before: before.clone() };
        let title = format!("{verb} {path}");
        Step { id: StepId(number), stage: Stage::Hosts, host: Some(host.clone()), title, action, after: Vec::new() }
    });
    Plan { format: PLAN_FORMAT, steps: steps.collect() }
}

/// The items by host, as a whole rollback has them.
pub(super) fn items(chosen: &[Chosen]) -> BTreeMap<HostName, Vec<UndoItem>> {
    let mut items: BTreeMap<HostName, Vec<UndoItem>> = BTreeMap::new();
    for Chosen { host, item, .. } in chosen {
        items.entry(host.clone()).or_default().push(item.clone());
    }
    items
}

/// What is not done, and must be known.
pub(super) fn notes(chosen: &[Chosen]) -> Vec<String> {
    let mut notes: Vec<String> = chosen
        .iter()
        .map(|Chosen { host, item, before }| {
            let path = path_of(&item.resource).unwrap_or_default();
            format!("{path} on {host} goes back to what it was before run {before}")
        })
        .collect();
    if !chosen.is_empty() {
        notes.push("units that read these files are not restarted: they go on with what they read when they started".into());
        notes.push("the next `barque up` makes the files what the cluster file says again".into());
    }
    notes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Digest, Owner};
    use barque_plan::{File, Prior};

    use super::*;

    #[test]
    fn a_file_is_named_with_its_host() {
        let parsed = HostPath::parse("m1:/etc/a:b").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.path.as_str()), ("m1", "/etc/a:b"));
        for wrong in ["/etc/a", "m1:etc/a", "m1:/", "m1", "M1:/etc/a", ":/etc/a"] {
            assert_eq!(HostPath::parse(wrong), Err(RollbackError::Only(wrong.to_owned())));
        }
    }

    #[test]
    fn each_file_is_one_step_and_nothing_waits() {
        let run: RunId = "20261125T010000Z-0001".parse().unwrap();
        let chosen = |host: &str, path: &str, prior| {
            let file = File { path: path.into(), digest: Digest::of(b"new"), mode: 0o644, owner: Owner::root(), sensitive: false };
            Chosen {
                host: host.parse().unwrap(),
                item: UndoItem { resource: Resource::File(file), prior, run: run.clone() },
                before: run.clone(),
            }
        };
        let chosen = [
            chosen("m1", "/etc/a", Prior::File { digest: Digest::of(b"old"), mode: 0o600, owner: Owner::root() }),
            chosen("m1", "/etc/b", Prior::Absent),
        ];
        let plan = plan(&chosen);
        assert_eq!(plan.steps.iter().map(|step| step.title.as_str()).collect::<Vec<_>>(), ["restore /etc/a", "remove /etc/b"]);
        assert!(plan.steps.iter().all(|step| step.after.is_empty() && step.action.changes()));
        assert_eq!(items(&chosen).len(), 1);
        assert_eq!(notes(&chosen).len(), 4);
        assert_eq!(notes(&[]), Vec::<String>::new());
    }
}
