//! Events as lines of text: while a run goes on, and when it is shown again.

use barque_event::{EventKind, RunEvent, RunOutcome, StepOutcome};

use super::printable;

/// A step that only looks is worth a line when it took longer than this, in milliseconds.
const LONG_LOOK: u64 = 1000;

/// A run that changes no more than this names each change: "2 changed" alone would leave people wondering.
const FEW_CHANGES: u32 = 12;

/// Which events are worth a line.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    /// Every step, not only restarts and failures.
    verbose: bool,
    /// The beginnings of stages; a live view shows them itself.
    beginnings: bool,
    /// The run's first and last event; a verb that runs says them in its own words.
    end: bool,
    /// Every change: few are planned.
    names_changes: bool,
}

impl Lines {
    /// Lines of a run from its beginning on.
    pub(crate) const fn new(verbose: bool, beginnings: bool, end: bool) -> Self {
        Self { verbose, beginnings, end, names_changes: false }
    }

    /// The line that an event is worth, if any. Events are given in their order.
    pub(crate) fn of(&mut self, event: &RunEvent) -> Option<String> {
        if let EventKind::Planned { changes, .. } = &event.kind {
            self.names_changes = *changes <= FEW_CHANGES;
        }
        let host = event.host.as_ref().map_or_else(|| "cluster".to_owned(), ToString::to_string);
        match &event.kind {
            EventKind::RunStarted { run, cluster, verb, operator, .. } if self.end => {
                let by = operator.as_ref().map_or_else(String::new, |operator| format!(" by {operator}"));
                Some(format!("`{verb}` of cluster `{cluster}`{by}, run {run}"))
            }
            EventKind::Planned { changes: 1, .. } => Some("1 change is needed".to_owned()),
            EventKind::Planned { changes, .. } => Some(format!("{changes} changes are needed")),
            EventKind::StageStarted { stage } if self.beginnings => Some(format!("stage {stage}: begins")),
            EventKind::StageFinished { stage, millis } => Some(format!("stage {stage}: done in {:.1} s", seconds(*millis))),
            EventKind::StepFinished { title, outcome, millis } => {
                let matters = self.verbose
                    || ((self.names_changes || title.contains(".service")) && *outcome == StepOutcome::Changed)
                    || (*outcome == StepOutcome::Holds && *millis > LONG_LOOK);
                matters.then(|| format!("{host:<8} {title} ({:.1} s)", seconds(*millis)))
            }
            EventKind::StepRetried { title, attempt, message, wait_millis } => {
                Some(format!("{host:<8} {title}: try {attempt} failed, again in {:.1} s: {message}", seconds(*wait_millis)))
            }
            EventKind::StepFailed { failure } => Some(format!("{host:<8} FAILED {}: {}", failure.step, failure.message)),
            EventKind::StepSkipped { title } if self.verbose => Some(format!("{host:<8} skipped {title}")),
            EventKind::HostPending { message } => Some(format!("{host:<8} does not answer and is left for a later run: {message}")),
            EventKind::Note { text } => Some(format!("{host:<8} {text}")),
            EventKind::HostConnected { millis } if self.verbose => Some(format!("{host:<8} connected ({millis} ms)")),
            EventKind::RunFinished { outcome, changed, unchanged, failed, millis } if self.end => {
                Some(format!("{}: {changed} changed, {unchanged} unchanged, {failed} failed ({:.1} s)", ended(*outcome), seconds(*millis)))
            }
            _ => None,
        }
    }
}

const fn ended(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Failed => "FAILED",
        RunOutcome::Partial => "done but for what is pending",
        RunOutcome::Interrupted => "stopped by the operator",
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// A line with the seconds since the run began.
pub(crate) fn timed(seconds: f64, line: &str) -> String {
    format!("{seconds:>6.1} s  {}", plain(line))
}

/// Text that hosts have a part in, line by line, with whatever could steer a terminal made visible.
pub(crate) fn plain(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::{Failure, Stage};

    use super::*;

    fn events() -> Vec<RunEvent> {
        let event = |host: Option<&str>, kind| RunEvent {
            seq: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            host: host.map(|host| host.parse().unwrap()),
            step: None,
            kind,
        };
        let step = |title: &str, outcome, millis| EventKind::StepFinished { title: title.into(), outcome, millis };
        vec![
            event(
                None,
                EventKind::RunStarted {
                    run: "20261125T020304Z-1a2b".parse().unwrap(),
                    cluster: "demo".parse().unwrap(),
                    verb: "up".into(),
                    operator: Some("ann@desk".into()),
                    hosts: Vec::new(),
                },
            ),
            event(Some("n2"), EventKind::HostPending { message: "no route to host".into() }),
            event(None, EventKind::Planned { changes: 3, steps: 5, stages: Vec::new(), hosts: Vec::new() }),
            event(None, EventKind::StageStarted { stage: Stage::Etcd }),
            event(Some("m1"), step("create /etc/a", StepOutcome::Changed, 5)),
            event(
                Some("m1"),
                EventKind::StepRetried { title: "start etcd.service".into(), attempt: 2, message: "busy".into(), wait_millis: 1500 },
            ),
            event(Some("m1"), step("start etcd.service", StepOutcome::Changed, 2100)),
            event(Some("m1"), step("etcd is healthy", StepOutcome::Holds, 10)),
            event(Some("m1"), EventKind::StepFailed { failure: Failure { step: "start x".into(), ..Failure::new("it ended") } }),
            event(Some("m1"), EventKind::StepSkipped { title: "start y".into() }),
            event(None, EventKind::RunFinished { outcome: RunOutcome::Partial, changed: 2, unchanged: 1, failed: 0, millis: 4000 }),
        ]
    }

    fn shown(mut lines: Lines, changes: u32) -> String {
        let mut events = events();
        for event in &mut events {
            if let EventKind::Planned { changes: planned, .. } = &mut event.kind {
                *planned = changes;
            }
        }
        events.iter().filter_map(|event| lines.of(event)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_matters_is_shown() {
        insta::assert_snapshot!(shown(Lines::new(false, false, false), 13), @r"
        n2       does not answer and is left for a later run: no route to host
        13 changes are needed
        m1       start etcd.service: try 2 failed, again in 1.5 s: busy
        m1       start etcd.service (2.1 s)
        m1       FAILED start x: it ended
        ");
    }

    #[test]
    fn few_changes_are_named() {
        insta::assert_snapshot!(shown(Lines::new(false, false, false), 12), @r"
        n2       does not answer and is left for a later run: no route to host
        12 changes are needed
        m1       create /etc/a (0.0 s)
        m1       start etcd.service: try 2 failed, again in 1.5 s: busy
        m1       start etcd.service (2.1 s)
        m1       FAILED start x: it ended
        ");
    }

    #[test]
    fn a_run_shown_again_has_all() {
        insta::assert_snapshot!(shown(Lines::new(true, true, true), 3), @r"
        `up` of cluster `demo` by ann@desk, run 20261125T020304Z-1a2b
        n2       does not answer and is left for a later run: no route to host
        3 changes are needed
        stage etcd: begins
        m1       create /etc/a (0.0 s)
        m1       start etcd.service: try 2 failed, again in 1.5 s: busy
        m1       start etcd.service (2.1 s)
        m1       etcd is healthy (0.0 s)
        m1       FAILED start x: it ended
        m1       skipped start y
        done but for what is pending: 2 changed, 1 unchanged, 0 failed (4.0 s)
        ");
        assert_eq!(timed(12.34, "x\u{1b}[2J"), "  12.3 s  x\\u{1b}[2J");
        assert_eq!(plain("a\nb\r"), "a\nb\\u{d}");
    }
}
