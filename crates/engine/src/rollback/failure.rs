//! A failure of an undo tells both errors: its own, and why the run that it takes back had failed there.

use std::collections::BTreeMap;

use barque_agent::{Ending, Record};
use barque_event::Failure;
use barque_model::{HostName, RunId};
use barque_plan::{Action, Plan, ResourceId, UndoItem};

use crate::Sessions;

/// Completes each failure with what was being taken back. `runs` are those taken back, newest first.
pub(super) async fn explained(
    failures: Vec<Failure>,
    plan: &Plan,
    items: &BTreeMap<HostName, Vec<UndoItem>>,
    runs: &[RunId],
    sessions: &Sessions,
) -> Vec<Failure> {
    let mut explained = Vec::with_capacity(failures.len());
    for failure in failures {
        explained.push(match restored(&failure, plan) {
            Some((host, id)) => {
                let first = items.get(&host).and_then(|items| items.iter().find(|item| item.resource.id() == id)).map(|item| &item.run);
                let earlier = earlier_failure(&host, &id, runs, sessions).await;
                with_cause(failure, &id, first, earlier)
            }
            None => failure,
        });
    }
    explained
}

/// The resource whose restoration failed.
fn restored(failure: &Failure, plan: &Plan) -> Option<(HostName, ResourceId)> {
    let step = plan.steps.iter().find(|step| step.host == failure.host && step.title == failure.step)?;
    match &step.action {
        Action::Restore { resource, .. } => Some((step.host.clone()?, resource.id())),
        _ => None,
    }
}

/// Why the resource's change had failed, in the newest of `runs` in which it did.
async fn earlier_failure(host: &HostName, id: &ResourceId, runs: &[RunId], sessions: &Sessions) -> Option<(RunId, String)> {
    let agent = sessions.agent(host)?;
    for run in runs {
        let Ok(records) = agent.run_records(run.clone()).await else { continue };
        if let Some(message) = failed(&records, id) {
            return Some((run.clone(), message));
        }
    }
    None
}

/// The message of the resource's last outcome, if that is a failure.
fn failed(records: &[Record], id: &ResourceId) -> Option<String> {
    let mut last = None;
    for record in records {
        if let Record::Intent { seq, resource, .. } | Record::Restore { seq, resource, .. } = record
            && resource.id() == *id
        {
            let outcome = records.iter().find_map(|record| match record {
                Record::Outcome { intent, result, message, .. } if intent == seq => Some((*result, message)),
                _ => None,
            });
            last = outcome;
        }
    }
    last.filter(|(result, _)| *result == Ending::Failed).map(|(_, message)| message.clone())
}

fn with_cause(failure: Failure, id: &ResourceId, first: Option<&RunId>, earlier: Option<(RunId, String)>) -> Failure {
    let by = first.map_or_else(String::new, |run| format!(", first changed by run {run}"));
    let why = earlier.map_or_else(String::new, |(run, message)| format!("; in run {run} that had failed, too: {message}"));
    let message = format!("{} (while taking back {id}{by}{why})", failure.message);
    Failure { message, ..failure }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::Stage;
    use barque_model::{Digest, Owner};
    use barque_plan::{Change, Difference, File, PLAN_FORMAT, Prior, Resource, Step, StepId};

    use super::*;

    fn file() -> Resource {
        Resource::File(File { path: "/a".into(), digest: Digest::of(b"a"), mode: 0o644, owner: Owner::root(), sensitive: false })
    }

    fn intent(seq: u64) -> Record {
        let difference = Difference { change: Change::Update, reasons: Vec::new() };
        Record::Intent {
            format: 1,
            seq,
            at_millis: 0,
            step: "update /a".into(),
            resource: Box::new(file()),
            difference,
            prior: Prior::Absent,
        }
    }

    fn outcome(intent: u64, result: Ending) -> Record {
        Record::Outcome { format: 1, intent, at_millis: 0, result, message: "no space left on device".into() }
    }

    #[test]
    fn the_last_outcome_of_the_resource_counts() {
        let id = file().id();
        assert_eq!(failed(&[intent(1), outcome(1, Ending::Failed)], &id).as_deref(), Some("no space left on device"));
        assert_eq!(failed(&[intent(1), outcome(1, Ending::Failed), intent(2), outcome(2, Ending::Changed)], &id), None);
        assert_eq!(failed(&[intent(1)], &id), None);
        assert_eq!(failed(&[intent(1), outcome(1, Ending::Failed)], &ResourceId("file /b".into())), None);
    }

    #[test]
    fn both_errors_are_told() {
        let (host, run): (HostName, RunId) = ("m1".parse().unwrap(), "20261125T010000Z-0001".parse().unwrap());
        let action = Action::Restore { resource: file(), prior: Prior::Absent, before: run.clone() };
        let step =
            Step { id: StepId(0), stage: Stage::Hosts, host: Some(host.clone()), title: "remove /a".into(), action, after: Vec::new() };
        let plan = Plan { format: PLAN_FORMAT, steps: vec![step] };
        let failure = Failure { host: Some(host.clone()), step: "remove /a".into(), ..Failure::new("read-only file system") };
        let (found, id) = restored(&failure, &plan).unwrap();
        assert_eq!((&found, &id), (&host, &file().id()));
        let told = with_cause(failure, &id, Some(&run), Some((run.clone(), "no space left on device".into())));
        assert_eq!(
            told.message,
            "read-only file system (while taking back file /a, first changed by run 20261125T010000Z-0001; in run 20261125T010000Z-0001 that had failed, too: no space left on device)"
        );
    }
}
