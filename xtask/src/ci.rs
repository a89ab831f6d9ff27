//! Every gate, in order, with a summary.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::nextest::{self, Skips, Summary};
use crate::run::{self, cargo};
use crate::{codegen, deps, dist, e2e, metadata, suites};

/// One gate.
struct Gate {
    name: &'static str,
    run: fn(&mut Summary) -> Result<()>,
}

/// Quick ones first: who waits for a compiler wants to hear of a missing blank before. The build of the binary comes last before
/// the end-to-end tests, which use it.
const GATES: &[Gate] = &[
    Gate { name: "format", run: |_| run::check(&mut cargo(&["fmt", "--all", "--check"])) },
    Gate {
        name: "shell",
        run: |_| run::check(&mut run::command("shellcheck", &["x", "xtask/elasticsearch.sh", "xtask/opensearch/entrypoint.sh", ".ci/run"])),
    },
    Gate { name: "layers", run: |_| deps::run() },
    Gate { name: "deny", run: |_| run::check(&mut cargo(&["deny", "--locked", "--all-features", "check", "bans", "licenses", "sources"])) },
    Gate {
        name: "clippy",
        run: |_| run::check(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])),
    },
    Gate { name: "unit tests", run: unit_tests },
    Gate { name: "doc tests", run: |_| run::check(&mut cargo(&["test", "--locked", "--quiet", "--workspace", "--all-features", "--doc"])) },
    Gate {
        name: "documentation",
        run: |_| {
            run::check(
                cargo(&["doc", "--locked", "--quiet", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
            )
        },
    },
    Gate { name: "generated files", run: |_| codegen::run(true) },
    Gate { name: "static binary", run: |_| dist::run(dist::Profile::Release) },
];

fn unit_tests(summary: &mut Summary) -> Result<()> {
    // A snapshot that differs is a failure, never a new file.
    let mut command = suites::unit(&metadata::read()?)?;
    command.env("INSTA_UPDATE", "no");
    summary.extend(nextest::run(&mut command, Skips::Forbidden)?);
    Ok(())
}

/// What became of a gate.
struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

/// Runs all gates; the end-to-end tests only when all others hold, since they take minutes and would fail for the same reason.
pub(crate) fn run(with_e2e: bool) -> Result<()> {
    let mut summary = Summary::default();
    let mut outcomes: Vec<Outcome> = GATES.iter().map(|gate| pass(gate.name, &mut summary, gate.run)).collect();
    let sound = outcomes.iter().all(|outcome| outcome.error.is_none());
    if with_e2e && sound {
        let end_to_end = |summary: &mut Summary| {
            summary.extend(e2e::run(None, false)?);
            Ok(())
        };
        outcomes.push(pass("end to end", &mut summary, end_to_end));
    }
    println!();
    for outcome in &outcomes {
        println!("{}", line(outcome));
    }
    if with_e2e && !sound {
        println!("not run  end to end: another gate failed");
    }
    summary.print();
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.error.is_some()).collect();
    for outcome in &failed {
        println!("{}: {}", outcome.name, outcome.error.as_deref().unwrap_or_default());
    }
    if !failed.is_empty() {
        bail!("{} of {} gates failed", failed.len(), outcomes.len());
    }
    Ok(())
}

fn pass(name: &'static str, summary: &mut Summary, run: impl FnOnce(&mut Summary) -> Result<()>) -> Outcome {
    eprintln!("\n== {name}");
    let begun = Instant::now();
    let error = run(summary).err().map(|error| format!("{error:#}"));
    if let Some(error) = &error {
        eprintln!("{name}: {error}");
    }
    Outcome { name, took: begun.elapsed(), error }
}

fn line(outcome: &Outcome) -> String {
    let word = if outcome.error.is_none() { "ok" } else { "FAILED" };
    format!("{word:<8} {:<16} {:>7.1} s", outcome.name, outcome.took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_fails_says_so() {
        let outcome = pass("gate", &mut Summary::default(), |_| bail!("because"));
        assert_eq!(outcome.error.as_deref(), Some("because"));
        assert!(line(&outcome).starts_with("FAILED   gate"));
        let outcome = pass("gate", &mut Summary::default(), |_| Ok(()));
        assert!(line(&outcome).starts_with("ok       gate"));
    }
}
