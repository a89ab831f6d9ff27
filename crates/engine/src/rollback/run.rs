//! The run of a rollback.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use barque_event::{EventKind, Failure};
use barque_model::{HostName, RunId};
use barque_plan::Plan;
use barque_store::{LockOwner, StateDirectory};
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::watch;

use super::gather::{Undo, gather};
use super::{RollbackError, RollbackReport, RollbackRequest, etcd, failure, files};
use crate::execute::execute;
use crate::frame::{Ended, Frame, millis};
use crate::run_step::Runner;
use crate::up::{etcd_endpoints, outcome, prune};
use crate::{Context, EngineError, Events, Pending, Sessions};

/// What a rollback keeps in its run's directory as `plan.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SavedRollback<'a> {
    format: u32,
    /// The state of before this run is restored.
    before: Option<&'a RunId>,
    runs: &'a [RunId],
    only: &'a [String],
    /// Without the contents of Secrets: nothing is run from it.
    plan: &'a Plan,
}

/// Takes runs back. Events go to `events`; `interrupt` stops the run after its running steps. A preview changes nothing and has no run.
pub async fn rollback(
    context: &Context,
    request: &RollbackRequest,
    run: RunId,
    owner: LockOwner,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<RollbackReport, EngineError> {
    check(request)?;
    if request.preview {
        return preview(context, request, events).await;
    }
    let frame = Frame::begin(context, run, owner, events)?;
    let result = connected(context, request, &frame, events, interrupt).await;
    frame.finish(result)
}

/// What is wrong with a request whatever the hosts say.
fn check(request: &RollbackRequest) -> Result<(), RollbackError> {
    for text in &request.only {
        files::HostPath::parse(text)?;
    }
    match request.only.is_empty() {
        false if request.delete_data => Err(RollbackError::OnlyWith("--delete-data")),
        false if request.forget => Err(RollbackError::OnlyWith("--forget")),
        _ => Ok(()),
    }
}

async fn preview(context: &Context, request: &RollbackRequest, events: &Events) -> Result<RollbackReport, EngineError> {
    let begun = Instant::now();
    let state = StateDirectory::open_or_create(&context.state)?;
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let gathered = gather(context, &state, &sessions, request).await;
    let (absent, pending) = (sessions.absent(), pending(&sessions));
    sessions.close().await;
    let Undo { report, plan, health, .. } = gathered?;
    keeps_quorum(context, &plan, &health, &absent)?;
    Ok(RollbackReport { plan: Some(plan), pending, millis: millis(begun), ..report })
}

async fn connected(
    context: &Context,
    request: &RollbackRequest,
    frame: &Frame,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<(RollbackReport, Ended), EngineError> {
    let sessions = Sessions::connect_most(context, &frame.state, events).await?;
    let result = locked(context, request, frame, events, interrupt, &sessions).await;
    match &result {
        Ok((report, _)) if !report.forgotten.is_empty() => sessions.close_when_done().await,
        _ => sessions.close().await,
    }
    result
}

async fn locked(
    context: &Context,
    request: &RollbackRequest,
    frame: &Frame,
    events: &Events,
    interrupt: watch::Receiver<bool>,
    sessions: &Sessions,
) -> Result<(RollbackReport, Ended), EngineError> {
    frame.lock_hosts(context, sessions).await?;
    let undo = gather(context, &frame.state, sessions, request).await?;
    let absent = sessions.absent();
    keeps_quorum(context, &undo.plan, &undo.health, &absent)?;
    let Undo { mut report, plan, items, access, .. } = undo;
    let (format, before) = (barque_plan::PLAN_FORMAT, report.before.as_ref());
    let kept = plan.clone().without_former_secrets();
    frame.write_plan(&SavedRollback { format, before, runs: &report.runs, only: &request.only, plan: &kept })?;
    for (host, text) in report.announcement() {
        let kind = EventKind::Note { text };
        match host {
            Some(host) => events.host(host, kind),
            None => events.send(kind),
        }
    }
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    events.send(EventKind::Planned { changes: report.planned, steps, stages: plan.stages(), hosts: plan.hosts() });
    let nothing_to_send = BTreeMap::new();
    let links = sessions.links().clone();
    let runner = Runner::new(frame.run.clone(), links, HashMap::new(), None, access.masters, events.clone(), &nothing_to_send)
        .with_etcd(etcd_endpoints(&context.cluster));
    let runner = if etcd::ends(&plan, &context.cluster, &absent) { runner.ending_the_cluster() } else { runner };
    let executed = execute(&plan, Arc::new(runner), events, interrupt).await;
    report.pending = pending(sessions);
    let failures = executed.failures.into_iter().filter(|failure| !is_of(&report.pending, failure)).collect();
    report.failures = failure::explained(failures, &plan, &items, &report.runs, sessions).await;
    report.interrupted = executed.interrupted;
    (report.changed, report.unchanged, report.skipped) = (executed.changed, executed.unchanged, executed.skipped);
    let complete = report.failures.is_empty() && !executed.interrupted;
    if complete && request.forget {
        report.forgotten = forget(sessions, &mut report.failures).await;
    } else if complete && executed.changed > 0 {
        prune(sessions).await;
    }
    report.run = Some(frame.run.clone());
    report.directory = Some(frame.directory.clone());
    report.millis = frame.millis();
    let ended = Ended {
        outcome: outcome(report.interrupted, &report.failures, report.pending.len()),
        changed: report.changed,
        unchanged: report.unchanged,
        failed: u32::try_from(report.failures.len()).unwrap_or(u32::MAX),
    };
    Ok((report, ended))
}

/// Refuses a plan that would cost a running etcd its quorum. Where none runs there is nothing to lose.
fn keeps_quorum(
    context: &Context,
    plan: &Plan,
    health: &[barque_plan::MemberHealth],
    absent: &std::collections::BTreeSet<HostName>,
) -> Result<(), EngineError> {
    if !health.is_empty() {
        barque_plan::keeps_quorum(plan, &context.cluster, health, absent)?;
    }
    Ok(())
}

/// Hosts that did not answer, or do not any more.
fn pending(sessions: &Sessions) -> Vec<Pending> {
    let problems = sessions.problems().iter().cloned().chain(sessions.links().lost());
    problems.map(Pending::from).collect()
}

/// Whether a failure only says that a host has gone, which is reported by itself.
fn is_of(pending: &[Pending], failure: &Failure) -> bool {
    failure.host.as_ref().is_some_and(|host| pending.iter().any(|pending| pending.host == *host))
}

/// Lets every agent remove barque's own folder when its session ends.
async fn forget(sessions: &Sessions, failures: &mut Vec<Failure>) -> Vec<HostName> {
    let agents = sessions.agents();
    let answers = join_all(agents.into_iter().map(|(host, agent)| async move { (host, agent.forget().await) })).await;
    let mut forgotten = Vec::new();
    for (host, answer) in answers {
        match answer {
            Ok(()) => forgotten.push(host),
            Err(error) => failures.push(Failure { host: Some(host), step: "remove barque's own folder".into(), ..Failure::from(error) }),
        }
    }
    forgotten
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn single_files_exclude_what_concerns_everything() {
        let only = vec!["m1:/etc/a".to_owned()];
        assert_eq!(check(&RollbackRequest { only: only.clone(), ..RollbackRequest::default() }), Ok(()));
        let wrong = RollbackRequest { only: only.clone(), forget: true, ..RollbackRequest::default() };
        assert_eq!(check(&wrong), Err(RollbackError::OnlyWith("--forget")));
        let wrong = RollbackRequest { only, delete_data: true, ..RollbackRequest::default() };
        assert_eq!(check(&wrong), Err(RollbackError::OnlyWith("--delete-data")));
        let wrong = RollbackRequest { only: vec!["etc".to_owned()], ..RollbackRequest::default() };
        assert_eq!(check(&wrong), Err(RollbackError::Only("etc".to_owned())));
    }

    #[test]
    fn a_host_that_has_gone_is_reported_once() {
        let pending = vec![Pending { host: "m1".parse().unwrap(), message: "gone".into(), hint: None }];
        let failure = |host: &str| Failure { host: Some(host.parse().unwrap()), ..Failure::new("x") };
        assert!(is_of(&pending, &failure("m1")));
        assert!(!is_of(&pending, &failure("m2")) && !is_of(&pending, &Failure::new("x")));
    }
}
