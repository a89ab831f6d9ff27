//! The article's layout on seven hosts: deployed, used, broken, changed, rebooted; each time looked at from outside.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod change;
mod failover;
mod flags;
mod reboot;
mod security;
mod workload;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario};

pub(crate) const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
pub(crate) const BALANCERS: [&str; 2] = ["lb1", "lb2"];
pub(crate) const NODES: [&str; 2] = ["n1", "n2"];
pub(crate) const ALL: [&str; 7] = ["lb1", "lb2", "m1", "m2", "m3", "n1", "n2"];

#[test]
fn deploy_use_break_change_reboot() -> Result<()> {
    let scenario = Scenario::new("seven", "")?;
    scenario.write(&ClusterFile::seven(&scenario.lab)?)?;
    scenario.step("the first up");
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    let kubectl = scenario.kubectl()?;
    nodes_are_ready(&kubectl)?;
    scenario.step("status");
    scenario.barque(&["status", "--known-hosts", &scenario.lab.known_hosts().display().to_string()])?.ok()?.says(&["is healthy"])?;
    change::second_up_changes_nothing(&scenario)?;
    workload::deploy(&scenario, &kubectl)?;
    workload::check(&scenario, &kubectl)?;
    security::check(&scenario, &kubectl)?;
    flags::check(&scenario)?;
    change::one_flag_rolls_through_the_masters(&scenario, &kubectl)?;
    change::a_wrong_flag_stops_at_the_first_master(&scenario, &kubectl)?;
    failover::balancer(&scenario, &kubectl)?;
    failover::masters(&scenario, &kubectl)?;
    failover::etcd_member(&scenario, &kubectl)?;
    reboot::all_hosts(&scenario, &kubectl)?;
    workload::check(&scenario, &kubectl)?;
    Ok(())
}

fn nodes_are_ready(kubectl: &Kubectl) -> Result<()> {
    let nodes = kubectl.json(&["get", "nodes"])?;
    let items = nodes["items"].as_array().unwrap();
    ensure!(items.len() == 5, "five nodes, not {}", items.len());
    for node in items {
        let name = node["metadata"]["name"].as_str().unwrap();
        let ready = node["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        ensure!(ready, "{name} is not Ready");
        ensure!(
            node["status"]["nodeInfo"]["kubeletVersion"] == "v1.37.2",
            "{name} has another version: {}",
            node["status"]["nodeInfo"]["kubeletVersion"]
        );
        let tainted = node["spec"]["taints"]
            .as_array()
            .is_some_and(|taints| taints.iter().any(|taint| taint["key"] == "node-role.kubernetes.io/control-plane"));
        ensure!(tainted == MASTERS.contains(&name), "taint of {name}: {tainted}");
    }
    Ok(())
}
