//! The dead-man switch: what is not confirmed over a new connection takes itself back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually};

use crate::{ALL, address, nft, rules, workload};

/// Seconds that the hosts wait in this scenario.
const WITHIN: &str = "20";
/// Far above what a run takes.
const LIMIT: Duration = Duration::from_mins(5);

fn has_rules(scenario: &Scenario, host: &str) -> Result<bool> {
    Ok(nft(scenario, host, &["list", "table", "inet", "barque"])?.code == Some(0))
}

/// The rules are gone from every host, the files with them, and the hosts tell of it.
fn taken_back(scenario: &Scenario, run: &str, reason: &str) -> Result<()> {
    eventually("every host has taken it back", Duration::from_mins(2), || {
        for host in ALL {
            ensure!(!has_rules(scenario, host)?, "{host} has the rules still");
            let left = scenario.lab.get(host, "ls -d /etc/barque /etc/systemd/system/barque-firewall.service 2>/dev/null; true")?;
            ensure!(left.is_empty(), "{host}: {left}");
        }
        rules::nothing_is_armed(scenario)
    })?;
    scenario.remote(&["runs"])?.ok()?.says(&[run, "taken back", "by the hosts", reason])?;
    Ok(())
}

/// Whoever lets no new connection in does so the moment that the rules appear: what is there goes on, and nothing else can come.
pub(crate) fn what_cuts_the_operator_off_undoes_itself(scenario: &Scenario) -> Result<()> {
    scenario.step("rules that cut SSH take themselves back");
    let leader = scenario.lab.leader("n1")?;
    let cutting = format!(
        "until nsenter -t {leader} -m -n nft list table inet barque >/dev/null 2>&1; do sleep 0.02; done; \
         nsenter -t {leader} -m -n nft 'insert rule inet barque input tcp dport 22 ct state new drop'"
    );
    let mut cutter = std::process::Command::new("sh").args(["-c", &cutting]).spawn()?;
    let begun = Instant::now();
    let finished = scenario.remote(&["firewall", "apply", "--confirm-within", WITHIN])?.code(1)?;
    ensure!(cutter.wait()?.success(), "SSH was not cut");
    finished.says(&["no new connection to n1", "take it back by themselves"])?;
    let run = scenario.last_run()?;
    let place = format!("{}:22", address(scenario, "n1")?);
    eventually("n1 lets SSH in again", Duration::from_mins(1), || {
        std::net::TcpStream::connect_timeout(&place.parse()?, Duration::from_secs(1))?;
        Ok(())
    })?;
    scenario.step(&format!("SSH works again {:.0} s after the start", begun.elapsed().as_secs_f64()));
    taken_back(scenario, &run, "could be confirmed")
}

pub(crate) fn a_killed_run_undoes_itself(scenario: &Scenario) -> Result<()> {
    scenario.step("barque is killed before it confirms");
    let mut running = scenario.begin(&["firewall", "apply", "--confirm-within", WITHIN, "--output", "json"])?;
    // All hosts have the rules, and none is confirmed.
    running.says(&["\"stepStarted\"", "confirm the rules"])?;
    running.kill()?;
    running.end(LIMIT)?;
    let armed = scenario.lab.get("m1", "test -e /var/lib/barque/dead-man.json && echo armed; true")?;
    if armed.is_empty() {
        anyhow::bail!("it was confirmed before it could be killed");
    }
    let run = scenario.last_run()?;
    scenario.step("other runs wait meanwhile");
    scenario.up(&["--break-lock"])?.code(1)?.says(&["is not confirmed"])?;
    taken_back(scenario, &run, "nobody confirmed it")
}

pub(crate) fn a_host_that_starts_again_comes_without_unconfirmed_rules(scenario: &Scenario) -> Result<()> {
    scenario.step("a host starts again before anybody confirms");
    let mut running = scenario.begin(&["firewall", "apply", "--confirm-within", "600", "--break-lock", "--output", "json"])?;
    running.says(&["\"stepStarted\"", "confirm the rules"])?;
    running.kill()?;
    running.end(LIMIT)?;
    let run = scenario.last_run()?;
    for host in ALL {
        scenario.lab.kill(host)?;
    }
    for host in ALL {
        scenario.lab.boot(host)?;
    }
    taken_back(scenario, &run, "started again before anybody had confirmed")
}

pub(crate) fn a_confirmed_run_is_taken_back_by_hand(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("`rollback` takes confirmed rules back");
    scenario.remote(&["rollback", "--yes"])?.ok()?;
    for host in ALL {
        ensure!(!has_rules(scenario, host)?, "{host} has the rules still");
    }
    workload::works(scenario, kubectl)?;
    scenario.step("applied again, and removed by the verb");
    scenario.remote(&["firewall", "apply"])?.ok()?;
    ensure!(has_rules(scenario, "n1")?, "n1 has no rules");
    scenario.remote(&["firewall", "remove"])?.ok()?.says(&["rules removed"])?;
    for host in ALL {
        ensure!(!has_rules(scenario, host)?, "{host} has the rules still");
    }
    let foreign = nft(scenario, "m1", &["list", "table", "inet", "theirs"])?.code;
    ensure!(foreign == Some(0), "somebody else's table is gone");
    rules::nothing_is_armed(scenario)
}
