//! `check`: everything that is wrong with the hosts, in one report. Nothing is changed on them, and nothing of barque stays there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use barque_agent::AgentClient;
use barque_check::{AcceptedFinding, CheckId, Depth, Finding, Inputs, InspectRequest, Inspection, Severity};
use barque_model::{ClusterName, Host, HostName};
use barque_store::StateDirectory;
use futures::future::join_all;
use serde::Serialize;

use crate::{Context, EngineError, Events, HostProblem, Sessions, segment_look};

/// An inspection takes a second or two; a host that is busy gets more.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The cluster.
    pub cluster: ClusterName,
    /// Hosts of the cluster file.
    pub hosts: usize,
    /// Those of them that were looked at.
    pub inspected: usize,
    /// Findings of severity `error`.
    pub errors: usize,
    /// Findings of severity `warning`.
    pub warnings: usize,
    /// What is wrong: hosts in the order of the cluster file, and for each the worst first.
    pub findings: Vec<Finding>,
    /// What is wrong and accepted in the cluster file, in the same order.
    pub accepted: Vec<AcceptedFinding>,
}

/// Looks at all hosts at once. A host that cannot be reached is a finding and stops nothing.
pub async fn check(context: &Context, events: &Events) -> Result<CheckReport, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_unseen(context, &state, events).await?;
    let inspecting = join_all(context.cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        Some(async move { (host, inspect(context, host, &agent).await) })
    }));
    let (inspected, segment) = tokio::join!(inspecting, segment_look(context, &state, &sessions));
    sessions.close().await;
    let segment = segment?;
    let mut findings: Vec<Finding> = problems.iter().map(unreachable).collect();
    findings.extend(segment.findings.into_iter().map(Finding::from));
    findings.extend(segment.unasked.into_iter().map(Finding::from));
    let (mut inspections, mut clocks) = (BTreeMap::new(), BTreeMap::new());
    for (host, result) in inspected {
        match result {
            Ok((inspection, clock)) => {
                clocks.insert(host.name.clone(), clock);
                inspections.insert(host.name.clone(), inspection);
            }
            Err(message) => findings.push(Finding::new(
                CheckId::HostUnreachable,
                &host.name,
                format!("it could not be inspected: {message}"),
                "see what the host is busy with: `ssh HOST uptime`, then run `barque check` again",
            )),
        }
    }
    let inputs = Inputs { cluster: &context.cluster, inspections: &inspections, clocks: &clocks, to_receive: None };
    findings.extend(barque_check::findings(&inputs));
    Ok(report(context, inspections.len(), findings))
}

/// One host's inspection, and how many milliseconds its clock is ahead of this machine's.
async fn inspect(context: &Context, host: &Host, agent: &AgentClient) -> Result<(Inspection, i64), String> {
    let request = InspectRequest::of(&context.cluster, host, Depth::Measured);
    let answer = tokio::time::timeout(PATIENCE, agent.inspect(request)).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let inspection = answer.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?.map_err(|error| error.to_string())?;
    // The clock was read last on the host, so only the answer's way counts, which is short against what matters.
    let clock = inspection.clock_millis - i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    Ok((inspection, clock))
}

fn unreachable(problem: &HostProblem) -> Finding {
    let id = if problem.escalation { CheckId::Sudo } else { CheckId::HostUnreachable };
    let mut message = problem.message.clone();
    for line in &problem.details {
        let _ = write!(message, " | {line}");
    }
    let remedy =
        problem.hint.clone().unwrap_or_else(|| format!("try `ssh {} true` with the user and key of the cluster file", problem.host));
    Finding::new(id, &problem.host, message, remedy)
}

fn report(context: &Context, inspected: usize, findings: Vec<Finding>) -> CheckReport {
    let cluster = &context.cluster;
    let sorted = barque_check::sort(barque_check::in_order(cluster, findings), &cluster.accepted_checks);
    let count = |severity| sorted.findings.iter().filter(|finding| finding.severity == severity).count();
    CheckReport {
        cluster: cluster.name.clone(),
        hosts: cluster.hosts.len(),
        inspected,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        findings: sorted.findings,
        accepted: sorted.accepted,
    }
}

/// Looks at the hosts that answer as far as files tell, for a deployment.
pub(crate) async fn inspect_all(context: &Context, sessions: &Sessions) -> Result<BTreeMap<HostName, Inspection>, EngineError> {
    let answers = join_all(context.cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        let request = InspectRequest::of(&context.cluster, host, Depth::Facts);
        Some(async move { (host.name.clone(), agent.inspect(request).await) })
    }))
    .await;
    let mut inspections = BTreeMap::new();
    for (host, answer) in answers {
        let found = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
        inspections.insert(host, found);
    }
    Ok(inspections)
}
