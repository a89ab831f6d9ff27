//! A unit that systemd has given up is started again by the watchdog's timer.

use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{Scenario, eventually};

const UNIT: &str = "kube-scheduler.service";

pub(crate) fn a_unit_at_its_start_limit_comes_back(scenario: &Scenario) -> Result<()> {
    scenario.step("a unit hits its start limit");
    let drop_in = "/etc/systemd/system/kube-scheduler.service.d/50-limit.conf";
    let limit = "[Unit]\\nStartLimitIntervalSec=600\\nStartLimitBurst=2\\n";
    scenario.lab.get("m1", &format!("mkdir -p $(dirname {drop_in}); printf '{limit}' >{drop_in}; systemctl daemon-reload"))?;
    // The timer itself must not come in between: what is shown is what one start of the service does.
    ensure!(scenario.lab.get("m1", "systemctl is-active barque-watchdog.timer")? == "active", "the watchdog's timer does not run");
    scenario.lab.get("m1", "systemctl stop barque-watchdog.timer")?;
    eventually("the unit has failed", Duration::from_mins(1), || {
        scenario.lab.shell("m1", &format!("systemctl kill -s KILL {UNIT}"))?;
        // Between two starts of systemd's own it is `activating`.
        let state = scenario.lab.get("m1", &format!("systemctl show -p ActiveState --value {UNIT}"))?;
        ensure!(state == "failed", "{state}");
        Ok(())
    })?;
    let said = scenario.lab.get("m1", &format!("journalctl -u {UNIT} --no-pager -o cat -n 20"))?;
    ensure!(said.contains("Start request repeated too quickly"), "systemd has not given up for the reason that is wanted:\n{said}");
    scenario.step("the watchdog starts it again and says why");
    scenario.lab.get("m1", "systemctl start barque-watchdog.service")?;
    eventually("the unit runs", Duration::from_secs(30), || {
        let state = scenario.lab.get("m1", &format!("systemctl is-active {UNIT} || true"))?;
        ensure!(state == "active", "{UNIT} is {state}");
        Ok(())
    })?;
    let journal = scenario.lab.get("m1", "journalctl -u barque-watchdog.service --no-pager -o cat")?;
    ensure!(journal.lines().any(|line| line.contains(UNIT) && line.contains("Result=signal")), "the journal does not say why:\n{journal}");
    let status = scenario.remote(&["status"])?;
    let shown = format!("{}{}", status.stdout, status.stderr);
    let line = shown.lines().find(|line| line.contains("watchdog") && line.contains("kube-scheduler"));
    ensure!(line.is_some(), "status does not tell of the watchdog:\n{shown}");
    scenario.lab.get("m1", &format!("rm -r $(dirname {drop_in}); systemctl daemon-reload; systemctl start barque-watchdog.timer"))?;
    crate::nothing_differs(scenario)?;
    Ok(())
}
