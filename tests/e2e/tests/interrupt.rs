//! Ctrl-C once lets running steps end, twice stops at once; a limit does what it names and nothing else.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Running, Scenario, changes, journals, once_only};
use rustix::process::{Pid, Signal, kill_process};

const TOPOLOGY: &str = r#"
[[hosts]]
name = "lb1"
[[hosts]]
name = "m1"
[[hosts]]
name = "n1"
"#;

const HOSTS: [(&str, &str); 3] = [("lb1", "loadBalancer"), ("m1", "etcd, master"), ("n1", "node")];

/// Far above what steps that write files take; units that start may take their time, so the first interrupt comes before they do.
const SOON: Duration = Duration::from_secs(30);
/// Steps that may begin between the signal and its arrival: those for which there are places on three hosts.
const IN_FLIGHT: usize = 60;

#[test]
fn stopped_and_narrowed() -> Result<()> {
    let scenario = Scenario::new("stop", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?)?;
    once(&scenario)?;
    twice(&scenario)?;
    scenario.step("the next run does the rest");
    scenario.up(&["--break-lock"])?.ok()?;
    nothing_twice(&scenario)?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    limits(&scenario)
}

fn interrupt(running: &Running) -> Result<()> {
    let process = i32::try_from(running.id()).ok().and_then(Pid::from_raw).context("a process has a number")?;
    // It may have ended by itself since.
    let _ = kill_process(process, Signal::INT);
    Ok(())
}

fn count(running: &Running, what: &str) -> usize {
    running.lines().iter().filter(|line| line.contains(what)).count()
}

/// Begins a run and waits until it has done `steps` steps.
fn begin(scenario: &Scenario, arguments: &[&str], steps: usize) -> Result<Running> {
    let mut all = vec!["up", "--output", "json"];
    all.extend(arguments);
    let mut running = scenario.begin(&all)?;
    while count(&running, "\"stepFinished\"") < steps {
        ensure!(!running.has_ended()?, "the run ended before it had done {steps} steps:\n{}", running.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(running)
}

fn once(scenario: &Scenario) -> Result<()> {
    scenario.step("Ctrl-C once");
    let running = begin(scenario, &[], 25)?;
    let before = count(&running, "\"stepStarted\"");
    interrupt(&running)?;
    let finished = running.end(SOON)?.code(1)?.says(&["running steps end first", "\"interrupted\""])?;
    let of = |what: &str| finished.stdout.lines().filter(|line| line.contains(what)).count();
    let (started, ended) = (of("\"stepStarted\""), of("\"stepFinished\"") + of("\"stepFailed\""));
    ensure!(started == ended, "{started} steps began and {ended} ended");
    ensure!(started - before <= IN_FLIGHT, "{} steps began after the signal", started - before);
    let open: Vec<String> =
        changes(&scenario.lab)?.into_iter().filter(|change| change.result.is_none()).map(|change| change.step).collect();
    ensure!(open.is_empty(), "changes without an outcome: {open:?}");
    let run = scenario.last_run()?;
    for (host, journals) in journals(&scenario.lab)? {
        let last = journals.get(&run).map(|text| text.lines().last().unwrap_or_default().to_owned());
        ensure!(last.as_ref().is_none_or(|line| line.contains("\"kind\":\"end\"")), "the journal of {host} is not closed: {last:?}");
    }
    Ok(())
}

fn twice(scenario: &Scenario) -> Result<()> {
    scenario.step("Ctrl-C twice, while units start");
    let mut running = begin(scenario, &[], 1)?;
    running.says(&["\"stepStarted\"", "start etcd.service"])?;
    // Two signals that arrive at the same moment are one.
    while !running.has_ended()? {
        interrupt(&running)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    let finished = running.end(SOON)?.code(1)?.says(&["running steps end first", "stopped at once", "--break-lock"])?;
    ensure!(!finished.stdout.contains("\"runFinished\""), "the run ended by itself:\n{}", finished.stdout);
    scenario.up(&[])?.code(5)?.says(&["--break-lock"]).map(drop)
}

fn nothing_twice(scenario: &Scenario) -> Result<()> {
    let again = once_only(&changes(&scenario.lab)?, &BTreeSet::new());
    ensure!(again.is_empty(), "applied twice:\n{}", again.join("\n"));
    Ok(())
}

/// A change that concerns every host, made on one host, then one role, then the rest.
fn limits(scenario: &Scenario) -> Result<()> {
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?.spec("logs:\n  journalMaxUse: 200M"))?;
    let mut before = changed_hosts(scenario)?;
    let steps: [(&[&str], &[&str]); 3] = [(&["--limit", "m1"], &["m1"]), (&["--limit", "role=node"], &["n1"]), (&[], &["lb1"])];
    for (arguments, wanted) in steps {
        scenario.step(&format!("up {}", arguments.join(" ")));
        scenario.up(arguments)?.ok()?;
        let after = changed_hosts(scenario)?;
        let changed: Vec<&str> =
            after.iter().filter(|(host, count)| before.get(*host) != Some(*count)).map(|(host, _)| host.as_str()).collect();
        ensure!(changed == wanted, "`up {}` changed {changed:?}", arguments.join(" "));
        before = after;
    }
    scenario.up(&[])?.ok()?.says(&["nothing to change"]).map(drop)
}

/// Changes that each host's journals tell of.
fn changed_hosts(scenario: &Scenario) -> Result<BTreeMap<String, usize>> {
    let mut counts: BTreeMap<String, usize> = scenario.lab.hosts().iter().map(|host| (host.name.clone(), 0)).collect();
    for change in changes(&scenario.lab)? {
        *counts.entry(change.host).or_default() += 1;
    }
    Ok(counts)
}
