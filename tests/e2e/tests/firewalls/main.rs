//! Packet filters: what the network blocks is named before anything is installed; rules from the matrix let the cluster work and nothing
//! else through; and what cuts the operator off takes itself back.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod packets;
mod reach;
mod rules;
mod switch;
mod workload;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use barque_e2e::{ClusterFile, Finished, Scenario, run};

/// Small, and with every kind of flow between different hosts but etcd's.
const TOPOLOGY: &str =
    "[[hosts]]\nname = \"lb1\"\n[[hosts]]\nname = \"lb2\"\n[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n[[hosts]]\nname = \"n2\"\n";
pub(crate) const ALL: [&str; 5] = ["lb1", "lb2", "m1", "n1", "n2"];

fn cluster_file(scenario: &Scenario) -> Result<ClusterFile> {
    let hosts = [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master"), ("n1", "node"), ("n2", "node")];
    Ok(ClusterFile::new(&scenario.lab, &hosts)?.spec("firewall:\n  backend: nftables"))
}

#[test]
fn test_apply_and_take_back() -> Result<()> {
    let scenario = Scenario::new("wall", TOPOLOGY)?;
    scenario.write(&cluster_file(&scenario)?)?;
    reach::exactly_what_is_blocked_is_named(&scenario)?;
    scenario.step("up");
    scenario.up(&[])?.ok()?;
    let kubectl = scenario.kubectl()?;
    workload::deploy(&scenario, &kubectl)?;
    switch::what_cuts_the_operator_off_undoes_itself(&scenario)?;
    switch::a_killed_run_undoes_itself(&scenario)?;
    switch::a_host_that_starts_again_comes_without_unconfirmed_rules(&scenario)?;
    rules::the_cluster_works_behind_them(&scenario, &kubectl)?;
    rules::each_is_needed(&scenario, &kubectl)?;
    switch::a_confirmed_run_is_taken_back_by_hand(&scenario, &kubectl)
}

/// `nft` in a host's network namespace: the host's own where it has one, for that of another release may not read its rules; else this
/// machine's.
pub(crate) fn nft(scenario: &Scenario, host: &str, arguments: &[&str]) -> Result<Finished> {
    let leader = scenario.lab.leader(host)?.to_string();
    let own = std::path::Path::new("/proc").join(&leader).join("root/usr/sbin/nft").exists();
    let mut all = vec!["-t", &leader, "-n"];
    all.extend(own.then_some("-m"));
    all.push("nft");
    all.extend(arguments);
    run("nsenter", all)
}

pub(crate) fn address(scenario: &Scenario, host: &str) -> Result<String> {
    Ok(scenario.lab.host(host)?.address.to_string())
}

/// What `firewall test` says does not get through: source, destination, protocol, port and how it fails.
pub(crate) fn blocked(finished: &Finished) -> Result<BTreeSet<String>> {
    let test: serde_json::Value =
        serde_json::from_str(&finished.stdout).with_context(|| format!("{}\n{}", finished.stdout, finished.stderr))?;
    let blocked = test["report"]["blocked"].as_array().context("blocked")?.iter().map(|blocked| {
        let word = |name: &str| blocked[name].as_str().unwrap_or("-").to_owned();
        let port = blocked["port"].as_u64().map_or_else(|| "-".to_owned(), |port| port.to_string());
        let fault = blocked["fault"]["kind"].as_str().unwrap_or("-");
        format!("{} -> {} {} {port} {fault}", word("from"), word("to"), word("protocol"))
    });
    Ok(blocked.collect())
}
