//! Runs as the state directory on this machine knows them.

use std::path::PathBuf;

use barque_event::{RunOutcome, exit};
use barque_model::RunId;
use barque_store::{RunSummary, StateDirectory, StateError};

use crate::EngineError;

/// Why the history does not tell what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The run has no directory.
    #[error("run {run} was not made from here: it has no directory in `{state}`", state = .state.display())]
    NotHere {
        /// The run.
        run: RunId,
        /// The state directory.
        state: PathBuf,
    },
    /// The run has no cluster file.
    #[error("run {0} has kept no cluster file: it ended before it wrote it")]
    NoSpec(RunId),
}

impl HistoryError {
    /// The exit code it leads to.
    pub const fn exit_code(&self) -> u8 {
        exit::USAGE
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotHere { .. } => "`barque runs` lists the runs; name another state directory with `--state-dir DIR`".into(),
            Self::NoSpec(_) => "`barque runs` lists the runs".into(),
        }
    }
}

/// A run in this state directory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocalRun {
    pub(crate) run: RunId,
    /// `None` when its events cannot be read.
    pub(crate) summary: Option<RunSummary>,
    /// For a rollback: the run before which the state was restored.
    pub(crate) before: Option<RunId>,
}

impl LocalRun {
    fn verb(&self) -> Option<&str> {
        self.summary.as_ref()?.verb.as_deref()
    }

    /// Whether the hosts came to be as this run wanted them, wholly or in part.
    fn counts(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.changed > 0 || summary.outcome == Some(RunOutcome::Done))
    }
}

/// The state directory, when there is one.
pub(crate) fn state(path: &std::path::Path) -> Result<Option<StateDirectory>, EngineError> {
    match StateDirectory::open(path) {
        Ok(state) => Ok(Some(state)),
        Err(StateError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// All runs of the state directory, newest first.
pub(crate) fn runs(state: &StateDirectory) -> Result<Vec<LocalRun>, EngineError> {
    let runs = state.runs();
    let mut found = Vec::new();
    for run in runs.list()? {
        // A log of a later version is no reason to show nothing of the others.
        let summary = runs.summary(&run).map_err(|error| tracing::warn!(%run, %error, "the events of a run cannot be read")).ok();
        let is_rollback = summary.as_ref().is_some_and(|summary| summary.verb.as_deref() == Some("rollback"));
        let before = if is_rollback { restored_before(state, &run) } else { None };
        found.push(LocalRun { run, summary, before });
    }
    Ok(found)
}

/// The run that a rollback named in its plan; single files do not count.
fn restored_before(state: &StateDirectory, run: &RunId) -> Option<RunId> {
    let plan = state.runs().read(run, "plan.json").ok()??;
    let plan: serde_json::Value = serde_json::from_slice(&plan).ok()?;
    let all = plan["only"].as_array().is_none_or(Vec::is_empty);
    if all { plan["before"].as_str()?.parse().ok() } else { None }
}

/// The run whose cluster file belongs to the state of before `target`: the newest earlier one that changed something, and when that was a
/// rollback, the one that belongs to what it restored. `runs` are newest first.
pub(crate) fn spec_before(runs: &[LocalRun], target: &RunId) -> Option<RunId> {
    let earlier =
        runs.iter().find(|local| local.run < *target && local.counts() && (local.verb() == Some("up") || local.before.is_some()))?;
    match &earlier.before {
        // Each step goes further back, so this ends.
        Some(before) if *before < earlier.run => spec_before(runs, before),
        Some(_) => None,
        None => Some(earlier.run.clone()),
    }
}

/// The cluster file of a run; `None` when it kept none.
pub(crate) fn spec(state: &StateDirectory, run: &RunId) -> Result<Option<String>, EngineError> {
    Ok(state.runs().read(run, "spec.yaml")?.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// The cluster file as it was in `run`.
pub fn run_spec(state: &StateDirectory, run: &RunId) -> Result<String, EngineError> {
    here(state, run)?;
    spec(state, run)?.ok_or_else(|| HistoryError::NoSpec(run.clone()).into())
}

/// Refuses a run without a directory.
pub(crate) fn here(state: &StateDirectory, run: &RunId) -> Result<(), HistoryError> {
    if state.runs().path(run).is_dir() { Ok(()) } else { Err(HistoryError::NotHere { run: run.clone(), state: state.path().to_owned() }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::{EventKind, RunEvent};

    use super::*;

    fn run(second: u8) -> RunId {
        format!("20261125T0000{second:02}Z-0000").parse().unwrap()
    }

    fn local(second: u8, verb: &str, changed: u32, before: Option<u8>) -> LocalRun {
        let outcome = Some(if changed > 0 { RunOutcome::Done } else { RunOutcome::Failed });
        let summary = RunSummary {
            run: run(second),
            cluster: None,
            verb: Some(verb.to_owned()),
            operator: None,
            started: None,
            outcome,
            changed,
            last_event: None,
        };
        LocalRun { run: run(second), summary: Some(summary), before: before.map(run) }
    }

    #[test]
    fn the_file_that_belongs_to_a_state_is_found_through_rollbacks() {
        // 1 deploys, 2 changes, 3 fails at once, 4 takes 2 back, 5 takes 4 back, 6 restores a single file.
        let runs = [
            local(6, "rollback", 1, None),
            local(5, "rollback", 3, Some(4)),
            local(4, "rollback", 3, Some(2)),
            local(3, "up", 0, None),
            local(2, "up", 3, None),
            local(1, "up", 9, None),
        ];
        let before = |second| spec_before(&runs, &run(second)).map(|run| run.to_string());
        assert_eq!(before(1), None);
        assert_eq!(before(2), Some(run(1).to_string()));
        assert_eq!(before(4), Some(run(2).to_string()));
        assert_eq!(before(5), Some(run(1).to_string()));
        assert_eq!(before(6), Some(run(2).to_string()));
        assert_eq!(before(7), Some(run(2).to_string()));
    }

    #[test]
    fn a_rollback_names_what_it_went_back_to() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(directory.path()).unwrap();
        for (second, plan) in [
            (1, r#"{"before":"20261125T000009Z-0000","only":[]}"#),
            (2, r#"{"before":"20261125T000009Z-0000","only":["m1:/a"]}"#),
            (3, "{}"),
        ] {
            let mut directory = state.runs().create(&run(second)).unwrap();
            let kind = EventKind::RunStarted {
                run: run(second),
                cluster: "demo".parse().unwrap(),
                verb: "rollback".into(),
                operator: None,
                hosts: Vec::new(),
            };
            directory.append(&RunEvent { seq: 1, at: jiff::Timestamp::UNIX_EPOCH, host: None, step: None, kind }).unwrap();
            directory.write_plan(plan.as_bytes()).unwrap();
        }
        let found: Vec<Option<RunId>> = runs(&state).unwrap().into_iter().map(|local| local.before).collect();
        assert_eq!(found, [None, None, Some(run(9))]);
        assert_eq!(run_spec(&state, &run(1)).unwrap_err().to_string(), HistoryError::NoSpec(run(1)).to_string());
        assert!(matches!(run_spec(&state, &run(8)), Err(EngineError::History(HistoryError::NotHere { .. }))));
    }
}
