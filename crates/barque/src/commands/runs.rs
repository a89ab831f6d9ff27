//! `barque runs`: what was done, and what happened in a run.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use barque_engine::{Context, EngineError, Events, HistoryError};
use barque_event::{EventKind, RunEvent, exit};
use barque_model::RunId;
use barque_store::StateDirectory;

use crate::arguments::{Output, RunsArguments, RunsCommand, RunsDiffArguments, RunsShowArguments};
use crate::settings;
use crate::terminal::history::{self, RunsDiff};
use crate::terminal::rollback::step_line;
use crate::terminal::{Lines, note, print_json, say, timed};

/// How often the events of a run that goes on are looked for.
const LOOK: Duration = Duration::from_millis(200);

/// Runs `runs`, `runs show` or `runs diff`.
pub(crate) fn run(arguments: &RunsArguments) -> Result<u8> {
    match &arguments.command {
        None => list(arguments),
        Some(RunsCommand::Show(arguments)) => show(arguments),
        Some(RunsCommand::Diff(arguments)) => diff(arguments),
    }
}

fn list(arguments: &RunsArguments) -> Result<u8> {
    let context = Context::load(settings::remote(&arguments.remote, None, false)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let found = runtime.block_on(barque_engine::history(&context, !arguments.local, &events))?;
    match arguments.remote.cluster.output {
        Output::Json => print_json(&found)?,
        Output::Text => say(&history::overview(&found, jiff::Timestamp::now(), !arguments.local))?,
    }
    Ok(if found.silent.is_empty() { exit::DONE } else { exit::PARTIAL })
}

fn show(arguments: &RunsShowArguments) -> Result<u8> {
    let context = Context::load(settings::remote(&arguments.remote, None, false)?)?;
    let (run, json) = (&arguments.run, arguments.remote.cluster.output == Output::Json);
    let state = StateDirectory::open(&context.state).map_err(EngineError::from);
    if arguments.spec {
        std::io::stdout().write_all(barque_engine::run_spec(&state?, run)?.as_bytes())?;
        return Ok(exit::DONE);
    }
    if arguments.plan {
        return plan(&state?, run, json);
    }
    let mut lines = Lines::new(arguments.verbose, true, true);
    let here = state.as_ref().is_ok_and(|state| state.runs().path(run).is_dir());
    if here {
        replay(&state?, run, arguments.follow, |event, seconds| match (json, lines.of(event)) {
            (true, _) => say(&serde_json::to_string(event)?),
            (false, Some(line)) => say(&timed(seconds, &line)),
            (false, None) => Ok(()),
        })?;
    } else if json || arguments.local || arguments.follow {
        return Err(EngineError::from(HistoryError::NotHere { run: run.clone(), state: context.state.clone() }).into());
    } else {
        note(&format!("run {run} was not made from here: only the hosts know of it"))?;
    }
    if json || arguments.local {
        return Ok(exit::DONE);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let detail = runtime.block_on(barque_engine::run_detail(&context, run, &events))?;
    say(&history::detail(&detail))?;
    Ok(if detail.silent.is_empty() { exit::DONE } else { exit::PARTIAL })
}

/// Prints the plan: as it was kept, or a step a line.
fn plan(state: &StateDirectory, run: &RunId, json: bool) -> Result<u8> {
    if json {
        if let Some(text) = state.runs().read(run, "plan.json")? {
            std::io::stdout().write_all(&text)?;
            return Ok(exit::DONE);
        }
    } else {
        let steps = barque_engine::planned_steps(state, run)?;
        steps.iter().try_for_each(|step| say(&step_line(step)))?;
        if !steps.is_empty() {
            return Ok(exit::DONE);
        }
    }
    note(&format!("run {run} has kept no plan with steps"))?;
    Ok(exit::DONE)
}

/// Shows the events so far, each with its seconds after the first; with `follow`, those to come too, until the run ends or its process has
/// gone.
fn replay(state: &StateDirectory, run: &RunId, follow: bool, mut show: impl FnMut(&RunEvent, f64) -> Result<()>) -> Result<()> {
    let mut tail = state.runs().follow(run).map_err(EngineError::from)?;
    let mut first = None;
    loop {
        // Asked before the last look: what a process wrote before its end is seen.
        let goes_on = follow && goes_on(state, run)?;
        let mut finished = false;
        for event in tail.next_events().map_err(EngineError::from)? {
            let begun = *first.get_or_insert(event.at);
            show(&event, event.at.duration_since(begun).as_secs_f64())?;
            finished = matches!(event.kind, EventKind::RunFinished { .. });
        }
        if finished {
            return Ok(());
        }
        if !goes_on {
            if follow {
                note("the run's process has gone without a last word; `barque up` goes on from where it ended")?;
            }
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the run's process may still run: the lock is held, and no later run has begun.
fn goes_on(state: &StateDirectory, run: &RunId) -> Result<bool> {
    let is_newest = state.runs().list().map_err(EngineError::from)?.first() == Some(run);
    Ok(is_newest && state.holder().map_err(EngineError::from)?.is_some_and(|(_, lives)| lives))
}

fn diff(arguments: &RunsDiffArguments) -> Result<u8> {
    let context = Context::load(settings::remote(&arguments.remote, None, false)?)?;
    let state = StateDirectory::open(&context.state).map_err(EngineError::from)?;
    let (left, right) = (&arguments.left, &arguments.right);
    let specs = [barque_engine::run_spec(&state, left)?, barque_engine::run_spec(&state, right)?];
    let changed = [barque_engine::changed_resources(&state, left)?, barque_engine::changed_resources(&state, right)?];
    let diff = RunsDiff::of((left, &specs[0], &changed[0]), (right, &specs[1], &changed[1]));
    match arguments.remote.cluster.output {
        Output::Json => print_json(&diff)?,
        Output::Text => say(&diff.text(left, right))?,
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::RunOutcome;
    use barque_store::{LockOwner, OnStaleLock};

    use super::*;

    const PAUSE: Duration = Duration::from_millis(50);

    fn event(seq: u64, kind: EventKind) -> RunEvent {
        let at = jiff::Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap();
        RunEvent { seq, at, host: None, step: None, kind }
    }

    /// What `replay` shows of a run whose process writes `last` after some notes and then lets the lock go.
    fn followed(last: Option<EventKind>) -> Vec<(u64, f64)> {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(directory.path()).unwrap();
        let run: RunId = "20261125T020304Z-1a2b".parse().unwrap();
        let lock = state.lock(&LockOwner::current("ann", "up", jiff::Timestamp::now()).unwrap(), OnStaleLock::Refuse).unwrap();
        let mut log = state.runs().create(&run).unwrap();
        let mut shown = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for seq in 1..=3 {
                    log.append(&event(seq, EventKind::Note { text: String::new() })).unwrap();
                    std::thread::sleep(PAUSE);
                }
                if let Some(kind) = last {
                    log.append(&event(4, kind)).unwrap();
                }
                drop(lock);
            });
            replay(&state, &run, true, |event, seconds| {
                shown.push((event.seq, seconds));
                Ok(())
            })
            .unwrap();
        });
        shown
    }

    #[test]
    fn a_run_is_followed_to_its_end() {
        let finished = EventKind::RunFinished { outcome: RunOutcome::Done, changed: 0, unchanged: 0, failed: 0, millis: 1 };
        assert_eq!(followed(Some(finished)), [(1, 0.0), (2, 1.0), (3, 2.0), (4, 3.0)]);
    }

    #[test]
    fn a_run_that_dies_is_not_waited_for() {
        assert_eq!(followed(None), [(1, 0.0), (2, 1.0), (3, 2.0)]);
    }

    #[test]
    fn a_run_that_a_later_one_followed_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(directory.path()).unwrap();
        let runs: [RunId; 2] = ["20261125T020304Z-1a2b", "20261125T030304Z-1a2b"].map(|run| run.parse().unwrap());
        let _lock = state.lock(&LockOwner::current("ann", "up", jiff::Timestamp::now()).unwrap(), OnStaleLock::Refuse).unwrap();
        for run in &runs {
            state.runs().create(run).unwrap();
        }
        assert_eq!([goes_on(&state, &runs[0]).unwrap(), goes_on(&state, &runs[1]).unwrap()], [false, true]);
    }
}
