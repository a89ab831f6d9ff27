//! Every host loses power at once; the cluster comes back without barque.

use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually};

pub(crate) fn all_hosts(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("all hosts lose power");
    for host in crate::ALL {
        scenario.lab.kill(host)?;
    }
    for host in crate::ALL {
        scenario.lab.boot(host)?;
    }
    eventually("nodes Ready after the reboot", Duration::from_mins(3), || {
        let ready = kubectl.get(&[
            "get",
            "nodes",
            "-o",
            "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\" \"}{end}",
        ])?;
        ensure!(ready.split_whitespace().filter(|status| *status == "True").count() == 5, "{ready}");
        Ok(())
    })?;
    // Ready may be what the API remembers from before: every lease must have been renewed since.
    crate::failover::etcd_is_whole(scenario, "m1")?;
    eventually("every kubelet's lease is fresh", Duration::from_mins(1), || {
        let now = barque_e2e::run("date", ["-u", "+%s"])?.ok()?.stdout;
        let leases = kubectl.json(&["get", "leases", "-n", "kube-node-lease"])?;
        for lease in leases["items"].as_array().into_iter().flatten() {
            let renewed = lease["spec"]["renewTime"].as_str().unwrap_or_default();
            let seconds = barque_e2e::run("date", ["-u", "-d", renewed, "+%s"])?.ok()?.stdout;
            let age = now.trim().parse::<i64>()? - seconds.trim().parse::<i64>()?;
            ensure!(age < 15, "{}: {age} s old", lease["metadata"]["name"]);
        }
        Ok(())
    })?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}
