//! `up`: makes the hosts what the cluster file says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use barque_bundle::Bundle;
use barque_event::{EventKind, Failure, RunOutcome};
use barque_model::{Cluster, HostName, Role, RunId, SecretBytes};
use barque_pki::{KubeconfigUser, Vault};
use barque_plan::{Plan, SavedPlan};
use barque_store::{LockOwner, StateDirectory};
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::watch;

use crate::bundle_check;
use crate::certificates::Certificates;
use crate::execute::execute;
use crate::frame::{Ended, Frame};
use crate::prepare::{Wishes, prepare};
use crate::run_step::Runner;
use crate::spread::Spread;
use crate::{Context, EngineError, Events, HostProblem, Sessions, material};

/// Runs that changed something and can be taken back; older ones are folded into the ledger and their copies removed.
pub const GENERATIONS: u32 = 10;

/// How a run of `up` went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpReport {
    /// The run.
    pub run: RunId,
    /// Where its log lies.
    pub directory: PathBuf,
    /// Steps that changed something.
    pub changed: u32,
    /// Resources that were right already.
    pub unchanged: u32,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Hosts that did not answer; the next run catches them up.
    pub pending: Vec<Pending>,
    /// What somebody changed on the hosts, and was left as it is.
    pub held: Vec<String>,
    /// Steps that a limit left out.
    pub left_out: usize,
    /// Steps that did not run because of a failure.
    pub skipped: u32,
    /// Whether the operator stopped it.
    pub interrupted: bool,
    /// Milliseconds from start to end.
    pub millis: u64,
    /// Milliseconds until the plan was known.
    pub planned_millis: u64,
    /// Bytes sent from here per host.
    pub sent: BTreeMap<String, u64>,
    /// Bytes that hosts fetched from other hosts, as they would count if they were sent from here.
    pub fetched: BTreeMap<String, u64>,
    /// The longest chain of steps, in order: host, title, start and end in milliseconds after the plan was known.
    pub critical_path: Vec<PathStep>,
}

/// A host that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The host.
    pub host: HostName,
    /// Why.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<HostProblem> for Pending {
    fn from(problem: HostProblem) -> Self {
        Self { host: problem.host, message: problem.message, hint: problem.hint }
    }
}

/// One step of the critical path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathStep {
    /// Its host.
    pub host: Option<String>,
    /// Its title.
    pub title: String,
    /// Start, milliseconds after the plan was known.
    pub begin: u64,
    /// End.
    pub end: u64,
}

/// Deploys or changes the cluster. Events go to `events`; `interrupt` stops the run after its running steps. With `saved`, performs exactly
/// that plan or refuses with what has moved since.
pub async fn up(
    context: &Context,
    run: RunId,
    owner: LockOwner,
    wishes: &Wishes,
    saved: Option<&SavedPlan>,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<UpReport, EngineError> {
    let frame = Frame::begin(context, run, owner, events)?;
    let result = run_up(context, &frame, wishes, saved, events, interrupt).await;
    frame.finish(result)
}

async fn run_up(
    context: &Context,
    frame: &Frame,
    wishes: &Wishes,
    saved: Option<&SavedPlan>,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<(UpReport, Ended), EngineError> {
    let bundle = bundle_check::open(context)?;
    let (vault, issued) = material::ensure(context, &frame.state, jiff::Timestamp::now())?;
    if !issued.is_empty() {
        events.send(EventKind::Note { text: format!("issued {} certificates and keys", issued.len()) });
    }
    let sessions = Sessions::connect_most(context, &frame.state, events).await?;
    let result = run_connected(context, frame, wishes, saved, events, interrupt, &bundle, &vault, &sessions).await;
    sessions.close().await;
    result
}

#[expect(clippy::too_many_arguments, reason = "each is used once, and a struct for one call would only rename them")]
async fn run_connected(
    context: &Context,
    frame: &Frame,
    wishes: &Wishes,
    saved: Option<&SavedPlan>,
    events: &Events,
    interrupt: watch::Receiver<bool>,
    bundle: &Arc<Bundle>,
    vault: &Vault,
    sessions: &Sessions,
) -> Result<(UpReport, Ended), EngineError> {
    frame.lock_hosts(context, sessions).await?;
    let mut prepared = prepare(context, sessions, vault, bundle, wishes).await?;
    if !prepared.obstacles.is_empty() {
        return Err(EngineError::Segment(std::mem::take(&mut prepared.obstacles)));
    }
    if let Some(saved) = saved {
        let moved = barque_plan::moved(saved, &prepared.saved);
        if !moved.is_empty() {
            return Err(EngineError::Moved(moved));
        }
    }
    barque_plan::keeps_quorum(prepared.plan(), &context.cluster, &prepared.etcd, &sessions.absent())?;
    crate::artifacts::verify_transfers(prepared.plan(), bundle).await?;
    let plan = prepared.plan();
    let changes = u32::try_from(plan.changes()).unwrap_or(u32::MAX);
    let planned_millis = frame.millis();
    frame.write_plan(&prepared.saved)?;
    for held in &prepared.held {
        events.host(&held.host, EventKind::Note { text: held.to_string() });
    }
    let held_objects = prepared.held_objects.iter().map(|name| {
        format!(
            "{name} was changed since barque applied it, and is left as it is (`barque drift` shows it, `--overwrite-drift` overwrites it)"
        )
    });
    let held_objects: Vec<String> = held_objects.collect();
    for text in &held_objects {
        events.send(EventKind::Note { text: text.clone() });
    }
    for awaited in &prepared.awaited {
        events.send(EventKind::Note { text: awaited.words() });
    }
    for kept in &prepared.kept {
        events.send(EventKind::Note { text: kept.words() });
    }
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    events.send(EventKind::Planned { changes, steps, stages: plan.stages(), hosts: plan.hosts() });
    let spread =
        if wishes.send_all { None } else { Spread::new(plan, &context.cluster, barque_pki::ephemeral_token()?, context.options.limit) };
    let runner = Runner::new(
        frame.run.clone(),
        sessions.links().clone(),
        prepared.contents(),
        Some(Arc::clone(bundle)),
        prepared.masters.clone(),
        events.clone(),
        &prepared.to_send,
    )
    .with_etcd(etcd_endpoints(&context.cluster))
    .with_certificates(Certificates::of(vault))
    .with_spread(spread);
    let runner = Arc::new(runner);
    let executed = execute(plan, Arc::clone(&runner), events, interrupt).await;
    let (sent, fetched) = runner.bytes_received();
    let mut pending = sessions.problems().to_vec();
    pending.extend(sessions.links().lost());
    let failures: Vec<Failure> = executed.failures.into_iter().filter(|failure| !is_of(&pending, failure)).collect();
    let unchanged = u32::try_from(prepared.resources()).unwrap_or(u32::MAX).saturating_sub(changes) + executed.unchanged;
    if failures.is_empty() && !executed.interrupted && executed.changed > 0 {
        prune(sessions).await;
    }
    let ended = Ended {
        outcome: outcome(executed.interrupted, &failures, pending.len() + prepared.held.len() + held_objects.len()),
        changed: executed.changed,
        unchanged,
        failed: u32::try_from(failures.len()).unwrap_or(u32::MAX),
    };
    let report = UpReport {
        run: frame.run.clone(),
        directory: frame.directory.clone(),
        changed: executed.changed,
        unchanged,
        critical_path: critical_path(plan, &executed.spans),
        failures,
        pending: pending.into_iter().map(Pending::from).collect(),
        held: prepared.held.iter().map(ToString::to_string).chain(held_objects).collect(),
        left_out: prepared.left_out.len(),
        skipped: executed.skipped,
        interrupted: executed.interrupted,
        millis: frame.millis(),
        planned_millis,
        sent,
        fetched,
    };
    Ok((report, ended))
}

/// The etcd members and their client URLs.
pub(crate) fn etcd_endpoints(cluster: &Cluster) -> Vec<(HostName, String)> {
    let members = cluster.with_role(Role::Etcd);
    members.map(|host| (host.name.clone(), format!("https://{}", std::net::SocketAddr::new(host.address, 2379)))).collect()
}

pub(crate) fn outcome(interrupted: bool, failures: &[Failure], left: usize) -> RunOutcome {
    match (interrupted, failures.is_empty(), left) {
        (true, ..) => RunOutcome::Interrupted,
        (_, false, _) => RunOutcome::Failed,
        (_, true, 0) => RunOutcome::Done,
        _ => RunOutcome::Partial,
    }
}

/// Whether a failure only says that a host has gone, which is reported by itself.
fn is_of(pending: &[HostProblem], failure: &Failure) -> bool {
    failure.host.as_ref().is_some_and(|host| pending.iter().any(|problem| problem.host == *host))
}

/// Forgets old generations. What fails here is tried again after the next run.
pub(crate) async fn prune(sessions: &Sessions) {
    let pruning = sessions.agents().into_iter().map(|(host, agent)| async move {
        if let Err(error) = agent.prune(GENERATIONS).await {
            tracing::warn!(%host, %error, "old generations could not be pruned");
        }
    });
    join_all(pruning).await;
}

type Spans = BTreeMap<barque_plan::StepId, (u64, u64)>;

/// Walks back from the step that ended last, each time to the needed step that ended last.
fn critical_path(plan: &Plan, spans: &Spans) -> Vec<PathStep> {
    let mut path = Vec::new();
    let mut current = spans.iter().max_by_key(|(_, (_, end))| *end).map(|(id, _)| *id);
    while let Some(id) = current {
        let step = &plan.steps[id.0 as usize];
        let (begin, end) = spans[&id];
        path.push(PathStep { host: step.host.as_ref().map(ToString::to_string), title: step.title.clone(), begin, end });
        current = step.after.iter().filter(|needed| spans.contains_key(needed)).max_by_key(|needed| spans[needed].1).copied();
    }
    path.reverse();
    path
}

/// The administrator's kubeconfig, pointing at the cluster's endpoint.
pub fn kubeconfig(context: &Context) -> Result<SecretBytes, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = material::open(context, &state)?.ok_or(EngineError::NotDeployed)?;
    Ok(barque_pki::kubeconfig(&context.cluster, &vault, &KubeconfigUser::Admin, &context.cluster.api_url())?)
}
