//! `firewall test` on hosts where nothing is installed.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::Scenario;

use crate::{ALL, address, blocked, nft};

pub(crate) fn exactly_what_is_blocked_is_named(scenario: &Scenario) -> Result<()> {
    scenario.step("an open network");
    let finished = scenario.remote(&["firewall", "test", "-o", "json"])?.ok()?;
    ensure!(blocked(&finished)?.is_empty(), "{}", finished.stdout);
    let test: serde_json::Value = serde_json::from_str(&finished.stdout)?;
    ensure!(test["report"]["tested"].as_u64().is_some_and(|tested| tested > 40), "{}", finished.stdout);
    single_pairs(scenario)?;
    a_small_mtu(scenario)?;
    scenario.step("open again");
    scenario.remote(&["firewall", "test"])?.ok()?.says(&["all get through"]).map(drop)
}

/// A chain of somebody else's on a host.
fn drop_there(scenario: &Scenario, host: &str, hook: &str, rules: &[String]) -> Result<()> {
    let rules = rules.iter().map(|rule| format!("{rule} drop;")).collect::<Vec<_>>().join(" ");
    let table = format!("table inet foreign_{hook} {{ chain c {{ type filter hook {hook} priority -10; policy accept; {rules} }}; }}");
    nft(scenario, host, &[&table])?.ok().map(drop)
}

fn single_pairs(scenario: &Scenario) -> Result<()> {
    scenario.step("single pairs are blocked, each in its way");
    let from = |host: &str| -> Result<String> { Ok(format!("ip saddr {}", address(scenario, host)?)) };
    let to = |host: &str| -> Result<String> { Ok(format!("ip daddr {}", address(scenario, host)?)) };
    let input = [
        format!("{} tcp dport 10250", from("m1")?),
        format!("{} udp dport 30000", from("lb1")?),
        // Longer than 1400 bytes: a path that swallows what is too long and says nothing.
        format!("{} udp dport 8472 meta length > 1400", from("n2")?),
    ];
    drop_there(scenario, "n1", "input", &input)?;
    drop_there(scenario, "n2", "output", &[format!("{} udp sport 32767", to("lb2")?), format!("{} tcp sport 30000", to("lb2")?)])?;
    drop_there(scenario, "lb2", "input", &[format!("{} meta l4proto 112", from("lb1")?)])?;
    let finished = scenario.remote(&["firewall", "test", "-o", "json"])?.code(1)?;
    let expected = [
        "m1 -> n1 tcp 10250 requestLost",
        "lb1 -> n1 udp 30000 requestLost",
        "n2 -> n1 udp 8472 tooLong",
        "lb2 -> n2 udp 32767 answerLost",
        "lb2 -> n2 tcp 30000 answerLost",
        "lb1 -> lb2 vrrp - requestLost",
    ];
    let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
    ensure!(blocked(&finished)? == expected, "blocked: {:#?}", blocked(&finished)?);
    ensure!(largest(&finished.stdout, "n2")? == [1400], "{}", finished.stdout);
    scenario.remote(&["firewall", "test"])?.code(1)?.says(&["6 blocked", "packets of 1500 bytes are lost; 1400 pass", "kubelet"])?;
    for (host, hook) in [("n1", "input"), ("n2", "output"), ("lb2", "input")] {
        nft(scenario, host, &["delete", "table", "inet", &format!("foreign_{hook}")])?.ok()?;
    }
    Ok(())
}

/// The longest packets that pass, of the ways from `from` whose long packets are lost.
fn largest(json: &str, from: &str) -> Result<Vec<u64>> {
    let test: serde_json::Value = serde_json::from_str(json)?;
    let blocked = test["report"]["blocked"].as_array().context("blocked")?;
    let of = blocked.iter().filter(|blocked| blocked["from"] == from && blocked["fault"]["kind"] == "tooLong");
    Ok(of.filter_map(|blocked| blocked["fault"]["largest"].as_u64()).collect())
}

/// The interface of one host takes less than those of the others: what they send it is lost when it is long.
fn a_small_mtu(scenario: &Scenario) -> Result<()> {
    scenario.step("one host with a small MTU");
    let interface = scenario.lab.get("n2", &format!("ip -o -4 address | grep -F {} | cut -d' ' -f2", address(scenario, "n2")?))?;
    scenario.lab.get("n2", &format!("ip link set {interface} mtu 1400"))?;
    let finished = scenario.remote(&["firewall", "test", "-o", "json"])?.code(1)?;
    let mut expected: BTreeSet<String> = ["m1", "n1"].iter().map(|from| format!("{from} -> n2 udp 8472 tooLong")).collect();
    for from in ALL.iter().filter(|from| **from != "n2") {
        expected.extend([30000, 32767].map(|port| format!("{from} -> n2 udp {port} tooLong")));
    }
    ensure!(blocked(&finished)? == expected, "blocked: {:#?}", blocked(&finished)?);
    // A virtual cable has room for the tag of a VLAN beside what its MTU says.
    let found = largest(&finished.stdout, "n1")?;
    ensure!(!found.is_empty() && found.iter().all(|size| (1400..=1404).contains(size)), "the longest: {found:?}");
    scenario.lab.get("n2", &format!("ip link set {interface} mtu 1500")).map(drop)
}
