//! Runs and their events.

use std::io::Write as _;

use barque_event::{EventKind, RunEvent, RunOutcome, StepOutcome};
use barque_model::RunId;
use barque_store::{RunError, StateDirectory, run_id};
use jiff::SignedDuration;

use crate::now;

fn events(run: &RunId) -> Vec<RunEvent> {
    let kinds = [
        EventKind::RunStarted {
            run: run.clone(),
            cluster: "demo".parse().unwrap(),
            verb: "up".to_owned(),
            operator: Some("ann@desk".to_owned()),
            hosts: vec!["m1".parse().unwrap()],
        },
        EventKind::Note { text: "two\nlines".to_owned() },
        EventKind::RunFinished { outcome: RunOutcome::Done, changed: 1, unchanged: 2, failed: 0, millis: 3 },
    ];
    let event = |(kind, seq): (EventKind, u64)| RunEvent { seq, at: now(), host: None, step: None, kind };
    kinds.into_iter().zip(1..).map(event).collect()
}

fn state() -> (tempfile::TempDir, StateDirectory) {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::open_or_create(directory.path()).unwrap();
    (directory, state)
}

#[test]
fn events_are_seen_at_once_and_come_back() {
    let (_directory, state) = state();
    let run = run_id(now(), 1).unwrap();
    let mut directory = state.runs().create(&run).unwrap();
    let events = events(&run);
    for (count, event) in events.iter().enumerate() {
        let summary = state.runs().summary(&run).unwrap();
        assert_eq!((summary.outcome, summary.verb.is_some()), (None, count > 0));
        directory.append(event).unwrap();
        let log = state.runs().events(&run).unwrap();
        assert_eq!((log.events.as_slice(), log.cut_off), (&events[..=count], false));
    }
    assert_eq!(state.runs().read(&run, "receipt.json").unwrap(), None);
    directory.finish(b"{}\n").unwrap();
    assert_eq!(state.runs().read(&run, "receipt.json").unwrap().unwrap(), b"{}\n");
    let summary = state.runs().summary(&run).unwrap();
    assert_eq!(summary.outcome, Some(RunOutcome::Done));
    assert_eq!(summary.cluster, Some("demo".parse().unwrap()));
    assert_eq!((summary.operator.as_deref(), summary.changed), (Some("ann@desk"), 1));
    assert_eq!((summary.started, summary.last_event), (Some(now()), Some(now())));
}

#[test]
fn a_line_cut_off_is_left_out_and_a_wrong_line_is_named() {
    let (_directory, state) = state();
    let run = run_id(now(), 1).unwrap();
    let mut directory = state.runs().create(&run).unwrap();
    let events = events(&run);
    directory.append(&events[0]).unwrap();
    let path = directory.path().join("events.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"seq":2,"at":"2026"#).unwrap();
    let log = state.runs().events(&run).unwrap();
    assert_eq!((log.events.as_slice(), log.cut_off), (&events[..1], true));
    file.write_all(b"\n").unwrap();
    assert!(matches!(state.runs().events(&run), Err(RunError::Event { line: 2, .. })));
}

#[test]
fn runs_are_listed_newest_first() {
    let (_directory, state) = state();
    assert_eq!(state.runs().list().unwrap(), []);
    let later = now() + SignedDuration::from_secs(1);
    let runs = [run_id(now(), 7).unwrap(), run_id(later, 3).unwrap(), run_id(now(), 5).unwrap()];
    for run in &runs {
        state.runs().create(run).unwrap();
    }
    std::fs::create_dir(state.path().join("runs/notes")).unwrap();
    assert_eq!(state.runs().list().unwrap(), [&runs[1], &runs[0], &runs[2]].map(Clone::clone));
    assert!(matches!(state.runs().create(&runs[0]), Err(RunError::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists));
}

#[test]
fn a_growing_log_is_followed_line_by_line() {
    let (_directory, state) = state();
    let run = run_id(now(), 1).unwrap();
    let mut directory = state.runs().create(&run).unwrap();
    let events = events(&run);
    let mut tail = state.runs().follow(&run).unwrap();
    assert_eq!(tail.next_events().unwrap(), []);
    directory.append(&events[0]).unwrap();
    directory.append(&events[1]).unwrap();
    assert_eq!(tail.next_events().unwrap(), events[..2]);
    let mut file = std::fs::OpenOptions::new().append(true).open(directory.path().join("events.jsonl")).unwrap();
    let mut line = serde_json::to_vec(&events[2]).unwrap();
    let second = line.split_off(20);
    file.write_all(&line).unwrap();
    assert_eq!(tail.next_events().unwrap(), []);
    file.write_all(&second).unwrap();
    file.write_all(b"\nnonsense\n").unwrap();
    assert!(matches!(tail.next_events(), Err(RunError::Event { line: 4, .. })));
}

#[test]
fn a_run_that_died_has_counted_its_changes() {
    let (_directory, state) = state();
    let run = run_id(now(), 1).unwrap();
    let mut directory = state.runs().create(&run).unwrap();
    let finished = |outcome| EventKind::StepFinished { title: "t".to_owned(), outcome, millis: 1 };
    for (kind, seq) in
        [StepOutcome::Changed, StepOutcome::Unchanged, StepOutcome::Holds, StepOutcome::Changed].map(finished).into_iter().zip(1..)
    {
        directory.append(&RunEvent { seq, at: now(), host: None, step: None, kind }).unwrap();
    }
    let summary = state.runs().summary(&run).unwrap();
    assert_eq!((summary.outcome, summary.changed), (None, 2));
}
