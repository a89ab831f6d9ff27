//! All runs in a table, and the space that barque takes on the hosts.

use std::collections::BTreeMap;

use barque_agent::{DiskUse, HostRuns};
use barque_event::RunOutcome;
use barque_model::{ClusterName, HostName, RunId};
use barque_store::{StateDirectory, started_at};
use serde::Serialize;

use super::local::{self, LocalRun};
use crate::survey::{Survey, is_in_force};
use crate::up::GENERATIONS;
use crate::{Context, EngineError, Events, Pending, Sessions};

/// The runs of a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The cluster.
    pub cluster: ClusterName,
    /// The runs, newest first.
    pub runs: Vec<RunRow>,
    /// Space that barque takes, per host that answers.
    pub hosts: Vec<HostSpace>,
    /// Hosts that were asked and did not answer.
    pub silent: Vec<Pending>,
    /// Runs that changed something and can be taken back at most; of older ones the hosts keep no former contents.
    pub generations: u32,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// Its identifier.
    pub run: RunId,
    /// When it started.
    pub started: Option<jiff::Timestamp>,
    /// Who started it, `user@machine`.
    pub operator: Option<String>,
    /// The verb, such as `up`.
    pub verb: Option<String>,
    /// How it ended.
    pub result: RunResult,
    /// Steps that changed something; for a run made elsewhere, resources that it changed on the hosts that answer.
    pub changed: u32,
    /// Whether it can be undone.
    pub undo: Undoable,
    /// Why the hosts made it themselves, if they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RunResult {
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// Done, but for hosts that did not answer.
    Partial,
    /// The operator stopped it.
    Interrupted,
    /// It goes on.
    Running,
    /// Its process ended without a word.
    Died,
    /// It was made from another machine or state directory; only the hosts know of it.
    Elsewhere,
    /// Hosts made it themselves: the dead-man switch took a run back that nobody had confirmed.
    ByHosts,
}

/// Whether a run can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Undoable {
    /// Yes, on these hosts.
    Yes {
        /// The hosts that have what is needed.
        hosts: Vec<HostName>,
    },
    /// It was taken back.
    TakenBack,
    /// It was taken back on some hosts, and can be on the others.
    Partly {
        /// The hosts where it is still in force.
        hosts: Vec<HostName>,
    },
    /// It changed nothing.
    Nothing,
    /// The hosts have forgotten what was between it and the next one; it goes only with everything that barque did.
    TooOld,
    /// No host that knows was asked or answered.
    Unknown,
}

/// Space that barque takes on a host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostSpace {
    /// The host.
    pub host: HostName,
    /// Bytes, by what they are for.
    pub space: DiskUse,
    /// Bytes in all.
    pub total: u64,
}

/// The runs that this machine knows, and, when `ask_hosts`, those that the hosts know.
pub async fn history(context: &Context, ask_hosts: bool, events: &Events) -> Result<History, EngineError> {
    let state = local::state(&context.state)?;
    let locals = state.as_ref().map_or_else(|| Ok(Vec::new()), local::runs)?;
    let running = state.as_ref().map_or(Ok(false), is_running)?;
    let (survey, silent) = if ask_hosts { ask(context, events).await? } else { (Survey::default(), Vec::new()) };
    let hosts =
        survey.hosts.iter().map(|(host, HostRuns { space, .. })| HostSpace { host: host.clone(), space: *space, total: total(space) });
    Ok(History {
        cluster: context.cluster.name.clone(),
        runs: rows(&locals, running, &survey),
        hosts: hosts.collect(),
        silent,
        generations: GENERATIONS,
    })
}

fn is_running(state: &StateDirectory) -> Result<bool, EngineError> {
    Ok(state.holder()?.is_some_and(|(_, lives)| lives))
}

async fn ask(context: &Context, events: &Events) -> Result<(Survey, Vec<Pending>), EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_some(context, &state, events).await?;
    let survey = Survey::ask(&sessions).await;
    sessions.close().await;
    Ok((survey?, problems.into_iter().map(Pending::from).collect()))
}

const fn total(space: &DiskUse) -> u64 {
    space.store + space.prior + space.journals + space.snapshots + space.agents
}

fn rows(locals: &[LocalRun], running: bool, survey: &Survey) -> Vec<RunRow> {
    let mut rows: BTreeMap<&RunId, RunRow> = BTreeMap::new();
    let newest = locals.first().map(|local| &local.run);
    for local in locals {
        // The lock lets one run go on at a time, and that is the newest.
        rows.insert(&local.run, local_row(local, running && newest == Some(&local.run)));
    }
    for run in survey.runs() {
        rows.entry(run).or_insert_with(|| elsewhere(run, survey));
    }
    let mut rows: Vec<RunRow> = rows.into_values().rev().collect();
    for row in &mut rows {
        row.undo = undoable(row, survey);
    }
    rows
}

/// A run that only hosts know of.
fn elsewhere(run: &RunId, survey: &Survey) -> RunRow {
    let reason = survey.of(run).find_map(|(_, known)| known.reason.clone());
    let verb = match reason {
        Some(_) => Some("take back"),
        None if survey.of(run).any(|(_, known)| known.restores) => Some("rollback"),
        None => None,
    };
    RunRow {
        run: run.clone(),
        started: started_at(run),
        operator: None,
        verb: verb.map(str::to_owned),
        result: if reason.is_some() { RunResult::ByHosts } else { RunResult::Elsewhere },
        changed: survey.of(run).map(|(_, known)| known.changed).sum(),
        undo: Undoable::Unknown,
        reason,
    }
}

fn local_row(local: &LocalRun, running: bool) -> RunRow {
    let summary = local.summary.as_ref();
    let result = match summary.and_then(|summary| summary.outcome) {
        Some(RunOutcome::Done) => RunResult::Done,
        Some(RunOutcome::Failed) => RunResult::Failed,
        Some(RunOutcome::Partial) => RunResult::Partial,
        Some(RunOutcome::Interrupted) => RunResult::Interrupted,
        None if running => RunResult::Running,
        None => RunResult::Died,
    };
    RunRow {
        run: local.run.clone(),
        started: started_at(&local.run),
        operator: summary.and_then(|summary| summary.operator.clone()),
        verb: summary.and_then(|summary| summary.verb.clone()),
        result,
        changed: summary.map_or(0, |summary| summary.changed),
        undo: Undoable::Unknown,
        reason: None,
    }
}

fn undoable(row: &RunRow, survey: &Survey) -> Undoable {
    let touched: Vec<_> = survey.of(&row.run).filter(|(_, known)| known.changed > 0 || known.open > 0).collect();
    let hosts: Vec<HostName> = touched.iter().filter(|(_, known)| is_in_force(known)).map(|(host, _)| (*host).clone()).collect();
    match (touched.len(), hosts.len()) {
        (0, _) if row.changed == 0 && row.result != RunResult::Died && row.result != RunResult::Running => Undoable::Nothing,
        (0, _) if survey.runs().first().is_some_and(|oldest| row.run < **oldest) => Undoable::TooOld,
        (0, _) => Undoable::Unknown,
        (_, 0) => Undoable::TakenBack,
        (all, in_force) if all == in_force => Undoable::Yes { hosts },
        _ => Undoable::Partly { hosts },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_agent::HostRun;
    use barque_store::RunSummary;

    use super::*;

    fn run(second: u8) -> RunId {
        format!("20261125T0000{second:02}Z-0000").parse().unwrap()
    }

    fn local(second: u8, outcome: Option<RunOutcome>, changed: u32) -> LocalRun {
        let summary = RunSummary {
            run: run(second),
            cluster: None,
            verb: Some("up".into()),
            operator: Some("ann@desk".into()),
            started: None,
            outcome,
            changed,
            last_event: None,
        };
        LocalRun { run: run(second), summary: Some(summary), before: None }
    }

    fn host(runs: &[(u8, u32, bool)]) -> HostRuns {
        let runs = runs.iter().map(|(second, changed, taken_back)| HostRun {
            run: run(*second),
            changed: *changed,
            open: 0,
            restores: *second == 9,
            taken_back: *taken_back,
            reason: None,
        });
        HostRuns { runs: runs.collect(), ..HostRuns::default() }
    }

    #[test]
    fn local_runs_and_those_of_the_hosts_are_one_history() {
        let locals = [local(8, None, 0), local(5, Some(RunOutcome::Partial), 4), local(4, Some(RunOutcome::Done), 0), local(1, None, 3)];
        let survey = Survey {
            hosts: [
                ("m1".parse().unwrap(), host(&[(3, 2, true), (5, 2, true), (9, 1, false)])),
                ("m2".parse().unwrap(), host(&[(3, 1, true), (5, 2, false)])),
            ]
            .into(),
        };
        let rows = rows(&locals, true, &survey);
        let shown: Vec<(String, RunResult, u32, &Undoable)> =
            rows.iter().map(|row| (row.run.as_str()[13..15].to_owned(), row.result, row.changed, &row.undo)).collect();
        let hosts = |name: &str| vec![name.parse::<HostName>().unwrap()];
        let expected = [
            ("09".to_owned(), RunResult::Elsewhere, 1, &Undoable::Yes { hosts: hosts("m1") }),
            ("08".to_owned(), RunResult::Running, 0, &Undoable::Unknown),
            ("05".to_owned(), RunResult::Partial, 4, &Undoable::Partly { hosts: hosts("m2") }),
            ("04".to_owned(), RunResult::Done, 0, &Undoable::Nothing),
            ("03".to_owned(), RunResult::Elsewhere, 3, &Undoable::TakenBack),
            ("01".to_owned(), RunResult::Died, 3, &Undoable::TooOld),
        ];
        assert_eq!(shown, expected);
        assert_eq!(
            (rows[0].verb.as_deref(), rows[4].verb.as_deref(), rows[2].operator.as_deref()),
            (Some("rollback"), None, Some("ann@desk"))
        );
    }

    #[test]
    fn without_the_hosts_nothing_is_said_of_undoing() {
        let rows = rows(&[local(2, Some(RunOutcome::Done), 3), local(1, None, 0)], false, &Survey::default());
        assert_eq!(rows.iter().map(|row| &row.undo).collect::<Vec<_>>(), [&Undoable::Unknown, &Undoable::Unknown]);
        assert_eq!(rows[1].result, RunResult::Died);
    }
}
