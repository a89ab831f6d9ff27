//! The live view: what a run looks like right now, as text. Pure, so that it can be tested.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use barque_event::{EventKind, RunEvent, Stage};

/// Hosts shown at most; a terminal has few lines and a cluster many hosts.
const HOSTS_SHOWN: usize = 10;
/// Width of the bar in characters.
const BAR: usize = 24;

/// What the events so far add up to.
#[derive(Default)]
pub(crate) struct Live {
    title: String,
    total: u32,
    done: u32,
    stages: BTreeMap<Stage, StageView>,
    hosts: BTreeMap<String, HostView>,
    /// Hosts that do not answer.
    pending: Vec<String>,
    connected: usize,
    expected: usize,
}

#[derive(Default)]
struct StageView {
    begun: bool,
    millis: Option<u64>,
    failed: bool,
}

#[derive(Default)]
struct HostView {
    /// Running steps by number.
    running: BTreeMap<u32, RunningStep>,
    /// All its steps; 0 when the plan did not say.
    steps: u32,
    /// Those that have begun, or never will.
    begun: u32,
    sent: u64,
    total: u64,
}

struct RunningStep {
    title: String,
    begun: jiff::Timestamp,
    /// Tries that failed, and when the next begins.
    retried: Option<(u32, jiff::Timestamp)>,
}

impl Live {
    /// Takes in an event.
    pub(crate) fn apply(&mut self, event: &RunEvent) {
        let host = || event.host.as_ref().map_or_else(|| "cluster".to_owned(), ToString::to_string);
        match &event.kind {
            EventKind::RunStarted { cluster, verb, hosts, .. } => {
                self.title = format!("{verb} {cluster}");
                self.expected = hosts.len();
            }
            EventKind::HostConnected { .. } => self.connected += 1,
            EventKind::Planned { steps, stages, hosts, .. } => {
                self.total = *steps;
                for (host, count) in hosts {
                    self.hosts.entry(host.to_string()).or_default().steps = *count;
                }
                self.stages = stages.iter().map(|(stage, _)| (*stage, StageView::default())).collect();
            }
            EventKind::StageStarted { stage } => self.stages.entry(*stage).or_default().begun = true,
            EventKind::StageFinished { stage, millis } => self.stages.entry(*stage).or_default().millis = Some(*millis),
            EventKind::StepStarted { title, .. } => {
                let view = self.hosts.entry(host()).or_default();
                view.begun += 1;
                view.running.insert(event.step.unwrap_or(0), RunningStep { title: title.clone(), begun: event.at, retried: None });
            }
            EventKind::StepRetried { attempt, wait_millis, .. } => {
                let view = self.hosts.entry(host()).or_default();
                if let Some(step) = view.running.get_mut(&event.step.unwrap_or(0)) {
                    let wait = jiff::SignedDuration::from_millis(i64::try_from(*wait_millis).unwrap_or(0));
                    step.retried = Some((*attempt, event.at.checked_add(wait).unwrap_or(event.at)));
                }
            }
            EventKind::HostPending { .. } => self.pending.push(host()),
            EventKind::StepFinished { .. } | EventKind::StepFailed { .. } => {
                self.done += 1;
                let step = event.step.unwrap_or(0);
                self.hosts.entry(host()).or_default().running.remove(&step);
            }
            EventKind::StepSkipped { .. } => {
                self.done += 1;
                self.hosts.entry(host()).or_default().begun += 1;
            }
            EventKind::BytesSent { sent, total, .. } => {
                let view = self.hosts.entry(host()).or_default();
                view.sent = *sent;
                view.total = *total;
            }
            EventKind::Note { .. } | EventKind::RunFinished { .. } => {}
        }
        if let (EventKind::StepFailed { .. }, Some(stage)) = (&event.kind, self.last_begun()) {
            self.stages.entry(stage).or_default().failed = true;
        }
    }

    fn last_begun(&self) -> Option<Stage> {
        self.stages.iter().rev().find(|(_, view)| view.begun && view.millis.is_none()).map(|(stage, _)| *stage)
    }

    /// The view, at most `width` characters wide.
    pub(crate) fn text(&self, elapsed_seconds: f64, now: jiff::Timestamp, width: usize) -> String {
        let mut lines = Vec::new();
        if self.total == 0 {
            lines.push(format!(
                "{}  {elapsed_seconds:.1} s  looking at the hosts ({} of {} answer)",
                self.title, self.connected, self.expected
            ));
        } else {
            let filled = (self.done as usize * BAR) / self.total.max(1) as usize;
            let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR - filled));
            lines.push(format!("{}  {elapsed_seconds:.1} s  [{bar}] {} of {} steps", self.title, self.done, self.total));
            lines.push(self.stage_line());
        }
        let busy: Vec<_> = self.hosts.iter().filter(|(_, view)| !view.running.is_empty()).collect();
        for (host, view) in busy.iter().take(HOSTS_SHOWN) {
            lines.push(host_line(host, view, now));
        }
        if busy.len() > HOSTS_SHOWN {
            lines.push(format!("  and {} more hosts", busy.len() - HOSTS_SHOWN));
        }
        if !self.pending.is_empty() {
            lines.push(format!("  no answer: {}", self.pending.join(", ")));
        }
        let cut = |line: String| line.chars().take(width.max(20)).collect::<String>();
        lines.into_iter().map(cut).collect::<Vec<_>>().join("\n")
    }

    fn stage_line(&self) -> String {
        let mut text = String::from(" ");
        for (stage, view) in &self.stages {
            let _ = match view {
                StageView { failed: true, .. } => write!(text, " {stage} FAILED "),
                StageView { millis: Some(millis), .. } => write!(text, " {stage} ok {:.1} s ", *millis as f64 / 1000.0),
                StageView { begun: true, .. } => write!(text, " {stage} ... "),
                StageView { .. } => write!(text, " {stage} - "),
            };
        }
        text.trim_end().to_owned()
    }
}

fn host_line(host: &str, view: &HostView, now: jiff::Timestamp) -> String {
    // A step that is tried again says most about a host, then the one that has run longest.
    let telling = view.running.values().min_by_key(|step| (step.retried.is_none(), step.begun));
    let Some(step) = telling else { return String::new() };
    let seconds = |since: jiff::Timestamp, until: jiff::Timestamp| until.duration_since(since).as_secs_f64().max(0.0);
    let mut text = format!("  {host:<8} {}  {:.1} s", step.title, seconds(step.begun, now));
    if let Some((attempt, next)) = step.retried {
        let _ = match seconds(now, next) {
            wait if wait > 0.0 => write!(text, ", try {attempt} failed, again in {wait:.1} s"),
            _ => write!(text, ", try {}", attempt + 1),
        };
    }
    if view.running.len() > 1 {
        let _ = write!(text, " and {} more", view.running.len() - 1);
    }
    let queued = view.steps.saturating_sub(view.begun);
    if queued > 0 {
        let _ = write!(text, ", {queued} queued");
    }
    if view.total > view.sent {
        let _ = write!(text, "  {}/{} MB", view.sent / 1_000_000, view.total / 1_000_000);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::StepOutcome;

    use super::*;

    fn event(millis: i64, host: Option<&str>, step: Option<u32>, kind: EventKind) -> RunEvent {
        let at = jiff::Timestamp::from_millisecond(millis).unwrap();
        RunEvent { seq: 1, at, host: host.map(|host| host.parse().unwrap()), step, kind }
    }

    #[test]
    fn shows_stages_hosts_and_what_runs() {
        let mut live = Live::default();
        let hosts = ["m1", "n1"].map(|host| host.parse().unwrap()).to_vec();
        let started = |title: &str, stage| EventKind::StepStarted { stage, title: title.into() };
        live.apply(&event(
            0,
            None,
            None,
            EventKind::RunStarted {
                run: "20261125T020304Z-1a2b".parse().unwrap(),
                cluster: "prod".parse().unwrap(),
                verb: "up".into(),
                operator: None,
                hosts,
            },
        ));
        live.apply(&event(10, Some("m1"), None, EventKind::HostConnected { millis: 10 }));
        let before = live.text(0.1, jiff::Timestamp::from_millisecond(100).unwrap(), 100);
        assert_eq!(before, "up prod  0.1 s  looking at the hosts (1 of 2 answer)");
        let planned = |hosts: &[(&str, u32)]| EventKind::Planned {
            changes: 3,
            steps: 4,
            stages: vec![(Stage::Etcd, 2), (Stage::Nodes, 2)],
            hosts: hosts.iter().map(|(host, count)| (host.parse().unwrap(), *count)).collect(),
        };
        live.apply(&event(20, None, None, planned(&[("m1", 1), ("n1", 3)])));
        live.apply(&event(30, None, None, EventKind::StageStarted { stage: Stage::Etcd }));
        live.apply(&event(30, Some("m1"), Some(0), started("start etcd.service", Stage::Etcd)));
        live.apply(&event(40, Some("n1"), Some(1), started("send kubelet", Stage::Nodes)));
        live.apply(&event(50, Some("n1"), None, EventKind::BytesSent { sent: 5_000_000, total: 90_000_000, from_hosts: 0 }));
        let finished = EventKind::StepFinished { title: "start etcd.service".into(), outcome: StepOutcome::Changed, millis: 900 };
        live.apply(&event(930, Some("m1"), Some(0), finished));
        live.apply(&event(940, None, None, EventKind::StageFinished { stage: Stage::Etcd, millis: 910 }));
        let text = live.text(1.0, jiff::Timestamp::from_millisecond(1040).unwrap(), 100);
        insta::assert_snapshot!(text, @r"
        up prod  1.0 s  [######------------------] 1 of 4 steps
          etcd ok 0.9 s  nodes -
          n1       send kubelet  1.0 s, 2 queued  5/90 MB
        ");
    }

    #[test]
    fn retries_and_silent_hosts_are_shown() {
        let mut live = Live { title: "up prod".into(), ..Live::default() };
        let planned = EventKind::Planned { changes: 2, steps: 2, stages: vec![(Stage::Etcd, 2)], hosts: Vec::new() };
        live.apply(&event(0, Some("n2"), None, EventKind::HostPending { message: "no route".into() }));
        live.apply(&event(0, None, None, planned));
        let started = |title: &str| EventKind::StepStarted { stage: Stage::Etcd, title: title.into() };
        live.apply(&event(0, Some("m1"), Some(0), started("create /etc/a")));
        live.apply(&event(500, Some("m1"), Some(1), started("start etcd.service")));
        let retried = EventKind::StepRetried { title: "start etcd.service".into(), attempt: 2, message: "busy".into(), wait_millis: 2000 };
        live.apply(&event(1000, Some("m1"), Some(1), retried));
        let text = |live: &Live, millis| live.text(1.0, jiff::Timestamp::from_millisecond(millis).unwrap(), 100);
        insta::assert_snapshot!(text(&live, 1500), @r"
        up prod  1.0 s  [------------------------] 0 of 2 steps
          etcd -
          m1       start etcd.service  1.0 s, try 2 failed, again in 1.5 s and 1 more
          no answer: n2
        ");
        assert!(text(&live, 3500).contains("start etcd.service  3.0 s, try 3 and 1 more"));
    }
}
