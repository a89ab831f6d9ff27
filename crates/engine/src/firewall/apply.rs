//! `firewall apply` and `firewall remove`: rules on every host, under a dead-man switch each.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use barque_agent::AgentClient;
use barque_bundle::Bundle;
use barque_event::{EventKind, Failure};
use barque_firewall::matrix;
use barque_model::{FirewallBackend, HostName, RunId, SecretBytes};
use barque_plan::{Action, FirewallInputs, HostDesired, HostObserved, LedgerEntry, Plan, Resource, ResourceId, firewall, is_of_firewall};
use barque_store::{LockOwner, StateDirectory};
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::watch;

use super::FirewallError;
use super::desired::desired;
use super::error::MINIMUM_SECONDS;
use crate::dead_man::DeadMan;
use crate::execute::execute;
use crate::frame::{Ended, Frame, millis};
use crate::run_step::Runner;
use crate::up::{outcome, prune};
use crate::{Context, EngineError, Events, Pending, Sessions};

/// What is asked of `firewall apply`.
#[derive(Debug, Clone, Copy)]
pub struct FirewallRequest {
    /// In place of the cluster file's backend; [`FirewallBackend::None`] removes what was applied.
    pub backend: Option<FirewallBackend>,
    /// Seconds within which the rules must be confirmed over a new connection, before every host takes them back.
    pub confirm_within: u32,
    /// Shows what would be done, and changes nothing.
    pub preview: bool,
}

/// How it went, or would go.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallReport {
    /// Its run; `None` for a preview.
    pub run: Option<RunId>,
    /// Where its log lies; `None` for a preview.
    pub directory: Option<PathBuf>,
    /// What filters packets afterwards.
    pub backend: FirewallBackend,
    /// Steps that change something.
    pub planned: u32,
    /// The plan, in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Steps that changed something.
    pub changed: u32,
    /// Resources that were right already.
    pub unchanged: u32,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Hosts that did not answer.
    pub pending: Vec<Pending>,
    /// Steps that did not run because of a failure.
    pub skipped: u32,
    /// Whether the operator stopped it.
    pub interrupted: bool,
    /// Hosts that take the run back, because it was not confirmed.
    pub taken_back: Vec<HostName>,
    /// Milliseconds from start to end.
    pub millis: u64,
}

/// What was asked of the hosts, and the plan that follows.
struct Prepared {
    plan: Plan,
    contents: HashMap<(HostName, ResourceId), SecretBytes>,
    resources: usize,
}

/// Applies the packet filter of the cluster file, or takes it away. `undo` names the run in which hosts take it back if nobody confirms it:
/// later than `run`, and earlier than any other.
pub async fn firewall_apply(
    context: &Context,
    request: &FirewallRequest,
    (run, undo): (RunId, RunId),
    owner: LockOwner,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<FirewallReport, EngineError> {
    if request.confirm_within < MINIMUM_SECONDS {
        return Err(FirewallError::TooShort(request.confirm_within).into());
    }
    if request.preview {
        return preview(context, request, events).await;
    }
    let frame = Frame::begin(context, run, owner, events)?;
    let result = connected(context, request, &frame, undo, events, interrupt).await;
    frame.finish(result)
}

async fn preview(context: &Context, request: &FirewallRequest, events: &Events) -> Result<FirewallReport, EngineError> {
    let begun = Instant::now();
    let state = StateDirectory::open_or_create(&context.state)?;
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let prepared = prepare(context, request, &sessions).await;
    let pending = pending(&sessions);
    sessions.close().await;
    let plan = prepared?.plan;
    let report = empty(context, *request, &plan);
    Ok(FirewallReport { plan: Some(plan), pending, millis: millis(begun), ..report })
}

fn empty(context: &Context, request: FirewallRequest, plan: &Plan) -> FirewallReport {
    FirewallReport {
        run: None,
        directory: None,
        backend: request.backend.unwrap_or(context.cluster.firewall.backend),
        planned: u32::try_from(plan.changes()).unwrap_or(u32::MAX),
        plan: None,
        changed: 0,
        unchanged: 0,
        failures: Vec::new(),
        pending: Vec::new(),
        skipped: 0,
        interrupted: false,
        taken_back: Vec::new(),
        millis: 0,
    }
}

async fn connected(
    context: &Context,
    request: &FirewallRequest,
    frame: &Frame,
    undo: RunId,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<(FirewallReport, Ended), EngineError> {
    let sessions = Sessions::connect_most(context, &frame.state, events).await?;
    let result = locked(context, request, frame, undo, events, interrupt, &sessions).await;
    sessions.close().await;
    result
}

async fn locked(
    context: &Context,
    request: &FirewallRequest,
    frame: &Frame,
    undo: RunId,
    events: &Events,
    interrupt: watch::Receiver<bool>,
    sessions: &Sessions,
) -> Result<(FirewallReport, Ended), EngineError> {
    frame.lock_hosts(context, sessions).await?;
    let Prepared { plan, contents, resources } = prepare(context, request, sessions).await?;
    frame.write_plan(&plan)?;
    let mut report = empty(context, *request, &plan);
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    events.send(EventKind::Planned { changes: report.planned, steps, stages: plan.stages(), hosts: plan.hosts() });
    let transfers = plan.steps.iter().any(|step| matches!(step.action, Action::Transfer { .. }));
    let bundle = if transfers { Some(Arc::new(Bundle::open(&context.options.bundle)?)) } else { None };
    if let Some(bundle) = &bundle {
        crate::artifacts::verify_transfers(&plan, bundle).await?;
    }
    let links = sessions.links().clone();
    let switch = DeadMan::new(frame.run.clone(), undo);
    let nothing_known = BTreeMap::new();
    let runner = Runner::new(frame.run.clone(), links.clone(), contents, bundle, Vec::new(), events.clone(), &nothing_known);
    let runner = Arc::new(runner.with_switch(switch));
    let executed = execute(&plan, Arc::clone(&runner), events, interrupt).await;
    report.taken_back = match runner.switch() {
        // After a confirmation no host is left.
        Ok(switch) => switch.give_up(&links, reason(executed.interrupted)).await,
        Err(_) => Vec::new(),
    };
    for host in &report.taken_back {
        events.host(host, EventKind::Note { text: "takes the rules of this run back, because they are not confirmed".to_owned() });
    }
    report.pending = pending(sessions);
    report.failures = executed.failures;
    (report.interrupted, report.changed, report.skipped) = (executed.interrupted, executed.changed, executed.skipped);
    report.unchanged = u32::try_from(resources).unwrap_or(u32::MAX).saturating_sub(report.planned) + executed.unchanged;
    if report.failures.is_empty() && !report.interrupted && report.changed > 0 {
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

const fn reason(interrupted: bool) -> &'static str {
    if interrupted { "the operator stopped the run before it was confirmed" } else { "the run failed before it could be confirmed" }
}

fn pending(sessions: &Sessions) -> Vec<Pending> {
    sessions.problems().iter().cloned().chain(sessions.links().lost()).map(Pending::from).collect()
}

/// Asks every host that answers, and plans.
async fn prepare(context: &Context, request: &FirewallRequest, sessions: &Sessions) -> Result<Prepared, EngineError> {
    let agents = sessions.agents();
    let backend = request.backend.unwrap_or(context.cluster.firewall.backend);
    let desired = desired(&context.cluster, &matrix(&context.cluster), &agents, backend, &context.options.bundle).await?;
    let asking = desired.iter().filter_map(|(host, wanted)| {
        let agent = agents.get(host)?;
        Some(async move { (host.clone(), observe(agent, wanted).await) })
    });
    let (mut observed, mut ledger) = (BTreeMap::new(), BTreeMap::new());
    for (host, answer) in join_all(asking).await {
        let (seen, entries) = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
        observed.insert(host.clone(), seen);
        ledger.insert(host, entries);
    }
    one_backend(&desired, &ledger, backend)?;
    let inputs = FirewallInputs { desired: &desired, observed: &observed, ledger: &ledger, confirm_within: request.confirm_within };
    let plan = firewall(&inputs);
    let resources = desired.values().map(|wanted| wanted.resources.len()).sum();
    let contents = desired.into_iter().flat_map(|(host, wanted)| {
        let files = wanted.resources.into_iter().filter_map(|wanted| Some((wanted.resource.id(), wanted.content?)));
        files.map(move |(id, content)| ((host.clone(), id), content))
    });
    Ok(Prepared { plan, contents: contents.collect(), resources })
}

/// Two backends have nothing in common that could be changed step by step: one's script does not know the other's rules.
fn one_backend(
    desired: &BTreeMap<HostName, HostDesired>,
    ledger: &BTreeMap<HostName, Vec<LedgerEntry>>,
    backend: FirewallBackend,
) -> Result<(), FirewallError> {
    for (host, entries) in ledger {
        let Some(desired) = desired.get(host).filter(|desired| !desired.resources.is_empty()) else { continue };
        let unwanted = entries.iter().find_map(|entry| match &entry.resource {
            Resource::File(file) if desired.resources.iter().all(|wanted| wanted.resource.id() != entry.id()) => Some(file),
            _ => None,
        });
        if let Some(file) = unwanted {
            return Err(FirewallError::Other { host: host.clone(), backend, path: file.path.clone() });
        }
    }
    Ok(())
}

/// What is there of a host's packet filter, and what barque has applied of it.
async fn observe(agent: &AgentClient, wanted: &HostDesired) -> Result<(HostObserved, Vec<LedgerEntry>), barque_agent::AgentError> {
    let mut ledger = agent.ledger().await?;
    ledger.retain(|entry| is_of_firewall(&entry.resource));
    let mut resources: Vec<Resource> = wanted.resources.iter().map(|wanted| wanted.resource.clone()).collect();
    let blobs = resources.iter().flat_map(Resource::blobs).collect();
    for entry in &ledger {
        if resources.iter().all(|known| known.id() != entry.id()) {
            resources.push(entry.resource.clone());
        }
    }
    let ids: Vec<ResourceId> = resources.iter().map(Resource::id).collect();
    let (seen, missing) = tokio::join!(agent.observe(resources), agent.missing(blobs));
    let resources = ids.into_iter().zip(seen?).collect();
    let missing_blobs = missing?.into_iter().map(|blob| blob.digest).collect();
    Ok((HostObserved { resources, missing_blobs }, ledger))
}
