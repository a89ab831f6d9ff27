//! Planning alone: for the article's seven hosts and for five hundred, each in a process of its own, so that memory is its own too.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Interrupt;
use super::measure::measure as run_measured;
use super::report::{digits, megabytes};
use crate::run::{self, root};

const TARGET: &str = "x86_64-unknown-linux-musl";
const HOSTS: [u16; 2] = [7, 500];

/// What planning for some number of hosts took; times are medians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Planned {
    /// Resources on all hosts.
    pub(crate) resources: usize,
    /// Steps of the plan for fresh hosts.
    pub(crate) steps: usize,
    /// Its JSON, in bytes.
    pub(crate) bytes: usize,
    /// Milliseconds to work out what must be on each host.
    pub(crate) desired_millis: f64,
    /// Milliseconds to plan for fresh hosts.
    pub(crate) fresh_millis: f64,
    /// Milliseconds to plan when everything is as it should be.
    pub(crate) unchanged_millis: f64,
    /// Resident bytes before planning: cluster, certificates, what must be and what was seen.
    pub(crate) inputs_bytes: u64,
    /// Most resident bytes in the whole process.
    pub(crate) peak_bytes: u64,
}

/// Builds the measured program, runs it, and answers the table as Markdown.
pub(crate) fn measure(folder: &Path, interrupt: &Interrupt) -> Result<String> {
    let arguments =
        ["build", "--locked", "--package", "xtask", "--features", "recorded", "--release", "--target", TARGET, "--target-dir", "target"];
    run::check(run::cargo(&arguments).stdout(std::io::stderr()))?;
    let program = root().join("target").join(TARGET).join("release/xtask");
    let mut found = Vec::new();
    for hosts in HOSTS {
        super::step(&format!("plan for {hosts} hosts"));
        let log = folder.join(format!("{hosts}.log"));
        run_measured(&mut run::command(&program, &["bench", "recorded", &hosts.to_string()]), &log, interrupt)?;
        let text = fs::read_to_string(&log)?;
        let planned: Planned =
            serde_json::from_str(text.trim()).with_context(|| format!("cannot read what `bench recorded` says: {text}"))?;
        found.push(planned);
    }
    Ok(table(&found[0], &found[1]))
}

fn table(few: &Planned, many: &Planned) -> String {
    let mut text = format!("| planning | {} hosts | {} hosts | ratio |\n|---|---:|---:|---:|\n", HOSTS[0], HOSTS[1]);
    let mut line = |what: &str, unit: &str, value: &dyn Fn(&Planned) -> f64| {
        let (one, other) = (value(few), value(many));
        let places = |value: f64| if unit.is_empty() { 0 } else { digits(value) };
        let _ = writeln!(text, "| {what} | {one:.*}{unit} | {other:.*}{unit} | {:.1} |", places(one), places(other), other / one);
    };
    line("resources on all hosts", "", &|planned| planned.resources as f64);
    line("steps of the plan for fresh hosts", "", &|planned| planned.steps as f64);
    line("the plan as JSON", " MB", &|planned| megabytes(planned.bytes as u64));
    line("what must be on each host", " ms", &|planned| planned.desired_millis);
    line("plan for fresh hosts", " ms", &|planned| planned.fresh_millis);
    line("plan with nothing to change", " ms", &|planned| planned.unchanged_millis);
    line("memory (RSS) before planning: all its inputs", " MB", &|planned| megabytes(planned.inputs_bytes));
    line("peak memory (RSS), certificates issued in the same process", " MB", &|planned| megabytes(planned.peak_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_many_to_few() {
        let few = Planned {
            resources: 400,
            steps: 500,
            bytes: 250_000,
            desired_millis: 2.0,
            fresh_millis: 1.5,
            unchanged_millis: 1.0,
            inputs_bytes: 10_000_000,
            peak_bytes: 12_000_000,
        };
        let many = Planned { resources: 20_000, fresh_millis: 150.0, ..few.clone() };
        let text = table(&few, &many);
        for line in [
            "| planning | 7 hosts | 500 hosts | ratio |",
            "| resources on all hosts | 400 | 20000 | 50.0 |",
            "| plan for fresh hosts | 1.50 ms | 150.0 ms | 100.0 |",
            "| the plan as JSON | 0.25 MB | 0.25 MB | 1.0 |",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }
}
