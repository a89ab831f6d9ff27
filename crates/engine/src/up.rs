//! `up`: makes the hosts what the cluster file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use barque_bundle::Bundle;
use barque_event::{EventKind, Failure, RunOutcome};
use barque_model::{RunId, SecretBytes};
use barque_pki::KubeconfigUser;
use barque_plan::Plan;
use barque_store::{LockOwner, OnStaleLock, RunError, StateDirectory};
use serde::Serialize;
use tokio::sync::watch;

use crate::execute::execute;
use crate::prepare::prepare;
use crate::run_step::Runner;
use crate::{Context, EngineError, Events, Sessions, material};

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
    /// Steps that did not run because of a failure.
    pub skipped: u32,
    /// Whether the operator stopped it.
    pub interrupted: bool,
    /// Milliseconds from start to end.
    pub millis: u64,
    /// Milliseconds until the plan was known.
    pub planned_millis: u64,
    /// Bytes sent per host.
    pub sent: BTreeMap<String, u64>,
    /// The longest chain of steps, in order: host, title, start and end in milliseconds after the plan was known.
    pub critical_path: Vec<PathStep>,
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

/// Deploys or changes the cluster. Events go to `events`; `interrupt` stops the run after its running steps.
pub async fn up(
    context: &Context,
    run: RunId,
    owner: LockOwner,
    events: &Events,
    interrupt: watch::Receiver<bool>,
) -> Result<UpReport, EngineError> {
    let begun = Instant::now();
    let state = StateDirectory::open_or_create(&context.state)?;
    let on_stale = if context.options.break_lock { OnStaleLock::Break } else { OnStaleLock::Refuse };
    let lock = state.lock(&owner, on_stale)?;
    let directory = state.runs().create(&run)?;
    directory.write_spec(context.text.as_bytes())?;
    let path = directory.path().to_path_buf();
    events.log_to(directory);
    events.send(EventKind::RunStarted {
        run: run.clone(),
        cluster: context.cluster.name.clone(),
        verb: "up".into(),
        hosts: context.cluster.hosts.iter().map(|host| host.name.clone()).collect(),
    });
    let result = run_up(context, &state, &run, &path, events, interrupt, begun).await;
    let receipt = match &result {
        Ok(report) => serde_json::to_vec_pretty(report).unwrap_or_default(),
        Err(error) => {
            events.send(EventKind::RunFinished {
                outcome: RunOutcome::Failed,
                changed: 0,
                unchanged: 0,
                failed: 1,
                millis: elapsed(begun),
            });
            serde_json::to_vec_pretty(&serde_json::json!({ "run": run, "error": error.to_string() })).unwrap_or_default()
        }
    };
    events.finish_log(&receipt)?;
    drop(lock);
    result
}

async fn run_up(
    context: &Context,
    state: &StateDirectory,
    run: &RunId,
    directory: &Path,
    events: &Events,
    interrupt: watch::Receiver<bool>,
    begun: Instant,
) -> Result<UpReport, EngineError> {
    let bundle = Arc::new(Bundle::open(&context.options.bundle)?);
    let (vault, issued) = material::ensure(context, state, jiff::Timestamp::now())?;
    if !issued.is_empty() {
        events.send(EventKind::Note { text: format!("issued {} certificates and keys", issued.len()) });
    }
    let sessions = Sessions::connect(context, state, events).await?;
    let prepared = prepare(context, &sessions, &vault, &bundle).await?;
    crate::artifacts::verify_transfers(&prepared.plan, &bundle).await?;
    let changes = u32::try_from(prepared.plan.changes()).unwrap_or(u32::MAX);
    let planned_millis = elapsed(begun);
    fs_err::write(directory.join("plan.json"), serde_json::to_vec_pretty(&prepared.plan).unwrap_or_default()).map_err(RunError::from)?;
    events.send(EventKind::Planned {
        changes,
        steps: u32::try_from(prepared.plan.steps.len()).unwrap_or(u32::MAX),
        stages: prepared.plan.stages(),
    });
    let sent: BTreeMap<String, u64> = prepared.to_send.iter().map(|(host, bytes)| (host.to_string(), *bytes)).collect();
    let runner = Runner::new(
        run.clone(),
        sessions.agents().clone(),
        prepared.contents,
        Arc::clone(&bundle),
        prepared.masters,
        events.clone(),
        &prepared.to_send,
    );
    let executed = execute(&prepared.plan, Arc::new(runner), events, interrupt).await;
    sessions.close().await;
    let failed = u32::try_from(executed.failures.len()).unwrap_or(u32::MAX);
    let unchanged = u32::try_from(prepared.resources).unwrap_or(u32::MAX).saturating_sub(changes) + executed.unchanged;
    let outcome = if executed.interrupted {
        RunOutcome::Interrupted
    } else if failed > 0 {
        RunOutcome::Failed
    } else {
        RunOutcome::Done
    };
    let changed = executed.changed;
    events.send(EventKind::RunFinished { outcome, changed, unchanged, failed, millis: elapsed(begun) });
    Ok(UpReport {
        run: run.clone(),
        directory: directory.to_path_buf(),
        changed,
        unchanged,
        critical_path: critical_path(&prepared.plan, &executed.spans),
        failures: executed.failures,
        skipped: executed.skipped,
        interrupted: executed.interrupted,
        millis: elapsed(begun),
        planned_millis,
        sent,
    })
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
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
