//! The tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::cluster::Up;
use super::floor::Floor;
use super::receipt::Receipt;
use crate::dist;

/// What was measured on one lab.
#[derive(Debug)]
pub(crate) struct Run {
    /// `up` on fresh hosts.
    pub(crate) first: Up,
    /// `up` with nothing to change.
    pub(crate) second: Duration,
    /// The same bytes by ssh.
    pub(crate) transfer: Duration,
    /// The floor.
    pub(crate) floor: Floor,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// The machine, in one line.
    pub(crate) machine: String,
    /// What `barque --version` says.
    pub(crate) version: String,
    /// The quickest `barque --version`.
    pub(crate) start: Duration,
    /// One per lab, at least one.
    pub(crate) runs: Vec<Run>,
}

/// A line of a table: one value per run.
struct Line {
    what: &'static str,
    aim: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

impl Report {
    /// All of it as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let runs = if self.runs.len() == 1 { "one lab".to_owned() } else { format!("{} labs, one after the other", self.runs.len()) };
        let _ = writeln!(text, "Machine: {}.\n\n{}, 7 hosts, {runs}.\n", self.machine, self.version);
        self.table(&mut text, "measured", &self.measured());
        text.push('\n');
        self.table(&mut text, "each pair from one lab", &self.compared());
        if let Some(run) = self.typical() {
            sent(&mut text, run);
            path(&mut text, run);
        }
        text
    }

    fn line(&self, what: &'static str, unit: &'static str, aim: &'static str, value: impl Fn(&Run) -> f64) -> Line {
        Line { what, aim, unit, values: self.runs.iter().map(value).collect() }
    }

    fn measured(&self) -> Vec<Line> {
        vec![
            self.line("`up` on fresh hosts", " s", "< 60 s", |run| run.first.wall.as_secs_f64()),
            self.line("… until the plan is known", " s", "", |run| Duration::from_millis(run.first.receipt.planned_millis).as_secs_f64()),
            self.line("the floor", " s", "", |run| run.floor.total.as_secs_f64()),
            self.line("… until DNS answers on every node", " s", "", |run| run.floor.dns.as_secs_f64()),
            self.line("the same bytes by `ssh`", " s", "", |run| run.transfer.as_secs_f64()),
            self.line("second `up`", " s", "< 2 s", |run| run.second.as_secs_f64()),
            self.line("peak memory (RSS) of `up`", " MB", "", |run| megabytes(run.first.peak)),
            Line {
                what: "`barque --version`, quickest of 20",
                aim: "< 10 ms",
                unit: " ms",
                values: vec![self.start.as_secs_f64() * 1000.0],
            },
        ]
    }

    fn compared(&self) -> Vec<Line> {
        let seconds = |run: &Run| (run.first.wall.as_secs_f64(), run.floor.total.as_secs_f64(), run.transfer.as_secs_f64());
        vec![
            self.line("`up` / floor", "", "", |run| {
                let (up, floor, _) = seconds(run);
                up / floor
            }),
            self.line("(`up` - bytes by `ssh`) / floor", "", "<= 2", |run| {
                let (up, floor, transfer) = seconds(run);
                (up - transfer) / floor
            }),
            self.line("`up` - floor", " s", "", |run| {
                let (up, floor, _) = seconds(run);
                up - floor
            }),
            self.line("second `up` / `up`", "", "", |run| run.second.as_secs_f64() / run.first.wall.as_secs_f64()),
        ]
    }

    fn table(&self, text: &mut String, title: &str, lines: &[Line]) {
        let single = self.runs.len() == 1;
        let head = if single { "value" } else { "min | median | max" };
        let rule = if single { "---:" } else { "---:|---:|---:" };
        let _ = writeln!(text, "| {title} | {head} | aim |\n|---|{rule}|---|");
        for line in lines {
            let shown = |value: f64| format!("{value:.*}{}", digits(value), line.unit);
            let sorted = sorted(&line.values);
            let cells = match (sorted.first(), sorted.last()) {
                (Some(least), Some(most)) if !single => format!("{} | {} | {}", shown(*least), shown(median(&sorted)), shown(*most)),
                _ => shown(median(&sorted)),
            };
            let _ = writeln!(text, "| {} | {cells} | {} |", line.what, line.aim);
        }
    }

    /// The run whose `up` is the median one, the quicker of the two in the middle.
    fn typical(&self) -> Option<&Run> {
        let mut runs: Vec<&Run> = self.runs.iter().collect();
        runs.sort_by_key(|run| run.first.wall);
        runs.get(runs.len().saturating_sub(1) / 2).copied()
    }
}

fn sent(text: &mut String, run: &Run) {
    let Receipt { sent, fetched, .. } = &run.first.receipt;
    let _ = writeln!(text, "\n| host | bytes sent | fetched from hosts |\n|---|---:|---:|");
    let hosts: BTreeSet<&String> = sent.keys().chain(fetched.keys()).collect();
    for host in hosts {
        let of = |bytes: &BTreeMap<String, u64>| dist::megabytes(bytes.get(host).copied().unwrap_or(0));
        let _ = writeln!(text, "| {host} | {} | {} |", of(sent), of(fetched));
    }
    let all = |bytes: &BTreeMap<String, u64>| dist::megabytes(bytes.values().sum());
    let _ = writeln!(text, "| all | {} | {} |", all(sent), all(fetched));
}

fn path(text: &mut String, run: &Run) {
    let receipt = &run.first.receipt;
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    let _ = writeln!(
        text,
        "\n| critical path of `up` ({:.1} s) | host | at | waited | took |\n|---|---|---:|---:|---:|",
        run.first.wall.as_secs_f64()
    );
    let planned = seconds(receipt.planned_millis);
    let _ = writeln!(text, "| connect, observe, plan | all | 0.0 s | 0.0 s | {planned:.1} s |");
    let mut free = 0;
    for step in &receipt.critical_path {
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} s | {:.1} s | {:.1} s |",
            step.title,
            step.host.as_deref().unwrap_or("all"),
            planned + seconds(step.begin),
            seconds(step.begin.saturating_sub(free)),
            seconds(step.end.saturating_sub(step.begin))
        );
        free = step.end;
    }
}

/// Digits after the point: enough to tell small values apart, no more than can be repeated.
pub(crate) fn digits(value: f64) -> usize {
    if value.abs() < 10.0 { 2 } else { 1 }
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    u32::try_from(bytes / 1000).map_or(f64::INFINITY, f64::from) / 1000.0
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle one of sorted values, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(sorted[middle - 1], *value),
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::super::receipt::PathStep;
    use super::*;

    fn run(up: u64, floor: u64) -> Run {
        let step = |host: Option<&str>, title: &str, begin, end| PathStep { host: host.map(Into::into), title: title.into(), begin, end };
        let receipt = Receipt {
            changed: 478,
            planned_millis: 2500,
            sent: BTreeMap::from([("lb1".into(), 17_636_199), ("m1".into(), 219_304_855)]),
            fetched: BTreeMap::from([("n1".into(), 50_000_000)]),
            critical_path: vec![step(Some("m1"), "send etcd", 1500, 2000), step(None, "apply CoreDNS", 2300, 3000)],
        };
        Run {
            first: Up { wall: Duration::from_secs(up), peak: 123_400_000, receipt },
            second: Duration::from_millis(1500),
            transfer: Duration::from_secs(5),
            floor: Floor { total: Duration::from_secs(floor), dns: Duration::from_secs(floor - 1) },
        }
    }

    fn markdown(runs: Vec<Run>) -> String {
        Report { machine: "2 cores".into(), version: "barque 0.1.0".into(), start: Duration::from_micros(3210), runs }.markdown()
    }

    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn one_run_has_one_column() {
        let text = markdown(vec![run(45, 20)]);
        has(
            &text,
            &[
                "Machine: 2 cores.",
                "barque 0.1.0, 7 hosts, one lab.",
                "| measured | value | aim |",
                "| `up` on fresh hosts | 45.0 s | < 60 s |",
                "| the floor | 20.0 s |  |",
                "| peak memory (RSS) of `up` | 123.4 MB |  |",
                "| `barque --version`, quickest of 20 | 3.21 ms | < 10 ms |",
                "| `up` / floor | 2.25 |  |",
                "| (`up` - bytes by `ssh`) / floor | 2.00 | <= 2 |",
                "| `up` - floor | 25.0 s |  |",
                "| m1 | 219.4 MB | 0.0 MB |",
                "| n1 | 0.0 MB | 50.0 MB |",
                "| all | 237.0 MB | 50.0 MB |",
            ],
        );
    }

    #[test]
    fn the_path_says_what_waited() {
        has(
            &markdown(vec![run(45, 20)]),
            &[
                "| connect, observe, plan | all | 0.0 s | 0.0 s | 2.5 s |",
                "| send etcd | m1 | 4.0 s | 1.5 s | 0.5 s |",
                "| apply CoreDNS | all | 4.8 s | 0.3 s | 0.7 s |",
            ],
        );
    }

    #[test]
    fn ratios_are_of_pairs_and_the_path_is_of_the_median() {
        let text = markdown(vec![run(60, 20), run(40, 40), run(50, 20)]);
        has(
            &text,
            &[
                "| measured | min | median | max | aim |",
                "| `up` on fresh hosts | 40.0 s | 50.0 s | 60.0 s | < 60 s |",
                // Of the pairs 60/20, 40/40 and 50/20; the medians alone, 50/20, would hide how they belong together.
                "| `up` / floor | 1.00 | 2.50 | 3.00 |  |",
                "| critical path of `up` (50.0 s) | host | at | waited | took |",
            ],
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
