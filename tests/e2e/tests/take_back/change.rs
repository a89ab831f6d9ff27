//! Parameters of several components are changed and taken back, one host at a time, while a client calls the API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{Caller, ClusterFile, Kubectl, Listing, Scenario, Scope};

use crate::{hosts, locks};

/// Far above what a change takes.
const LIMIT: Duration = Duration::from_mins(15);

/// The cluster file with a flag more for the API server, another value for etcd and one for kubelet.
fn changed(scenario: &Scenario) -> Result<String> {
    let file = ClusterFile::seven(&scenario.lab)?;
    let file = file.spec("extraArgs:\n  kubeApiserver:\n    event-ttl: 30m0s\n  etcd:\n    snapshot-count: 20000");
    Ok(file.text().replace("    failCgroupV1: false\n", "    failCgroupV1: false\n    maxPods: 100\n"))
}

pub(crate) fn rolled_and_taken_back(scenario: &Scenario, kubectl: &Kubectl, first: &str) -> Result<()> {
    let original = fs_err::read_to_string(scenario.cluster_file())?;
    // Somebody else's file, which no run may touch.
    let own = "/etc/systemd/system/kubelet.service.d/99-own.conf";
    scenario.lab.get("n1", &format!("mkdir -p $(dirname {own}); printf '[Service]\\nNice=0\\n' >{own}; systemctl daemon-reload"))?;
    let files = scenario.lab.listings(&crate::ALL, &Scope::managed())?;
    let lines = hosts::command_lines(scenario)?;
    fs_err::write(scenario.cluster_file(), changed(scenario)?)?;
    scenario.step("the plan of three parameters");
    let plan = scenario.remote(&["plan"])?.code(3)?;
    plan.says(&["event-ttl=30m0s", "snapshot-count=20000", "maxPods: 100", "kube-apiserver.service", "etcd.service", "kubelet.service"])?;
    let copy = locks::copy_of_state(scenario)?;

    scenario.step("three parameters change under a client");
    let caller = Caller::start(kubectl, scenario.folder.path())?;
    let mut running = scenario.begin(&["up", "--output", "json"])?;
    locks::a_second_run_is_refused(scenario, &mut running, &copy)?;
    running.end(LIMIT)?.ok()?;
    let change = scenario.last_run()?;
    let moment = [hosts::went_one_by_one(scenario, "kube-apiserver", 0)?, hosts::went_one_by_one(scenario, "etcd", 0)?];
    let since = caller.finish()?;
    since.all_good()?;
    scenario.step(&format!("{} calls, none failed", since.made));
    in_force(scenario, &lines)?;
    a_snapshot_is_there(scenario)?;

    scenario.step("taken back under a client");
    let caller = Caller::start(kubectl, scenario.folder.path())?;
    scenario.remote(&["rollback", "--plan"])?.code(3)?.says(&["kube-apiserver", "etcd", "kubelet"])?;
    scenario.remote(&["rollback", "--yes"])?.ok()?;
    let back = scenario.last_run()?;
    hosts::went_one_by_one(scenario, "kube-apiserver", moment[0])?;
    hosts::went_one_by_one(scenario, "etcd", moment[1])?;
    let since = caller.finish()?;
    since.all_good()?;
    scenario.step(&format!("{} calls, none failed", since.made));

    scenario.step("as before, byte for byte");
    same(&files, &scenario.lab.listings(&crate::ALL, &Scope::managed())?)?;
    ensure!(hosts::command_lines(scenario)? == lines, "a component runs with other flags than before");
    scenario.step("history");
    scenario.remote(&["runs"])?.ok()?.says(&[first, &change, &back])?;
    scenario.barque(&["runs", "--local"])?.ok()?.says(&[first, &change, &back])?;
    let texts = ["m1", "m2", "m3", "/etc/kubernetes/kube-apiserver.env", "/etc/etcd/etcd.env", "n2", "/var/lib/kubelet/config.yaml"];
    scenario.remote(&["runs", "show", &change])?.ok()?.says(&texts)?;
    scenario.remote(&["runs", "show", &change, "--spec"])?.ok()?.says(&["event-ttl: 30m0s", "maxPods: 100"])?;
    scenario.remote(&["runs", "diff", first, &change])?.says(&["event-ttl"])?;
    // The former contents of the change itself lie on the hosts, and are those from before it.
    let former = scenario.lab.get("m1", "grep -rlF -e --event-ttl=30m0s /var/lib/barque/prior | wc -l")?;
    ensure!(former == "1", "m1 keeps {former} copies of the flags that the rollback replaced");
    scenario.step("the cluster file still wants the change; the former one wants nothing");
    scenario.remote(&["plan"])?.code(3)?.says(&["event-ttl=30m0s"])?;
    fs_err::write(scenario.cluster_file(), original)?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

/// The kernel says with which flags the components run; only the three have changed.
fn in_force(scenario: &Scenario, before: &BTreeMap<String, String>) -> Result<()> {
    let after = hosts::command_lines(scenario)?;
    for host in crate::MASTERS {
        for (unit, flag) in [("kube-apiserver", "--event-ttl=30m0s"), ("etcd", "--snapshot-count=20000")] {
            let line = &after[&format!("{host} {unit}")];
            ensure!(line.contains(flag), "{unit} of {host} runs without {flag}: {line}");
        }
    }
    let other: Vec<&String> = before.iter().filter(|(name, line)| after.get(*name) != Some(line)).map(|(name, _)| name).collect();
    ensure!(other.len() == 6, "components with other flags: {other:?}");
    for host in crate::ALL.iter().filter(|host| !host.starts_with("lb")) {
        let pods = scenario.lab.get(host, "grep -c '^maxPods: 100$' /var/lib/kubelet/config.yaml")?;
        ensure!(pods == "1", "{host}: maxPods");
    }
    Ok(())
}

/// etcd's data were saved before it was touched, and etcd's own tool can read them.
fn a_snapshot_is_there(scenario: &Scenario) -> Result<()> {
    let mut found = 0;
    for host in crate::MASTERS {
        let script = "for file in $(find /var/lib/barque -name '*.db' -size +0); do etcdutl snapshot status $file >/dev/null && echo $file; done; true";
        found += scenario.lab.get(host, script)?.lines().count();
    }
    ensure!(found > 0, "no snapshot of etcd's data lies on a master");
    Ok(())
}

fn same(before: &BTreeMap<String, Listing>, after: &BTreeMap<String, Listing>) -> Result<()> {
    let mut different = Vec::new();
    for (host, listing) in before {
        different.extend(listing.differences(&after[host]).into_iter().map(|line| format!("{host}: {line}")));
    }
    ensure!(different.is_empty(), "not as before:\n{}", different.join("\n"));
    Ok(())
}
