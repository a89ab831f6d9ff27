//! Rules in force on every host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Kubectl, Scenario};

use crate::{ALL, address, blocked, nft, packets, workload};

/// Somebody else's table, which stays as it is.
const FOREIGN: &str = "table inet theirs { chain input { type filter hook input priority 20; policy accept; udp dport 9 counter drop; }; }";

pub(crate) fn the_cluster_works_behind_them(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("rules are applied, and everything works");
    nft(scenario, "m1", &[FOREIGN])?.ok()?;
    let foreign = nft(scenario, "m1", &["list", "table", "inet", "theirs"])?.ok()?.stdout;
    scenario.remote(&["firewall", "apply", "--plan"])?.code(3)?.says(&["arm the dead-man switch", "barque-firewall.service"])?;
    // The lock of the run that was killed is there still.
    scenario.remote(&["firewall", "apply", "--break-lock"])?.ok()?.says(&["confirmed over new connections"])?;
    for host in ALL {
        let table = nft(scenario, host, &["list", "table", "inet", "barque"])?.ok()?.stdout;
        ensure!(table.contains("hook input") && table.contains("policy drop"), "{host}: {table}");
    }
    nothing_is_armed(scenario)?;
    workload::works(scenario, kubectl)?;
    scenario.step("the second time nothing changes, and `up` leaves them alone");
    scenario.remote(&["firewall", "apply"])?.ok()?.says(&["nothing to change"])?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    scenario.remote(&["drift"])?.ok()?;
    let finished = scenario.remote(&["firewall", "test", "-o", "json"])?.ok()?;
    ensure!(blocked(&finished)?.is_empty(), "{}", finished.stdout);
    ensure!(nft(scenario, "m1", &["list", "table", "inet", "theirs"])?.ok()?.stdout == foreign, "somebody else's table was touched");
    scenario.step("what is not in the matrix is dropped");
    ensure!(!opens(&format!("{}:2379", address(scenario, "m1")?))?, "etcd of m1 is open to the whole world");
    for pod in workload::pods(kubectl)? {
        ensure!(!packets::opens_pod(scenario, "lb1", &pod.node, &pod.address)?, "a pod of {} is open to hosts that are no nodes", pod.node);
    }
    Ok(())
}

/// No host waits for a confirmation.
pub(crate) fn nothing_is_armed(scenario: &Scenario) -> Result<()> {
    for host in ALL {
        let left =
            scenario.lab.get(host, "ls /var/lib/barque/dead-man.json /etc/systemd/system/barque-dead-man.service 2>/dev/null; true")?;
        ensure!(left.is_empty(), "{host} is armed still: {left}");
        let timers = scenario.lab.get(host, "systemctl list-timers --all --no-legend | grep dead-man; true")?;
        ensure!(timers.is_empty(), "{host}: {timers}");
    }
    Ok(())
}

fn opens(place: &str) -> Result<bool> {
    Ok(TcpStream::connect_timeout(&place.parse()?, Duration::from_secs(2)).is_ok())
}

/// A rule of a host: its chain, handle and comment.
#[derive(Debug)]
struct Rule {
    chain: String,
    handle: u64,
}

/// The rules of a host by comment.
fn rules(scenario: &Scenario, host: &str) -> Result<BTreeMap<(String, String), Vec<Rule>>> {
    let json: serde_json::Value = serde_json::from_str(&nft(scenario, host, &["-j", "list", "table", "inet", "barque"])?.ok()?.stdout)?;
    let mut rules: BTreeMap<(String, String), Vec<Rule>> = BTreeMap::new();
    for entry in json["nftables"].as_array().context("nftables")? {
        let rule = &entry["rule"];
        let (Some(comment), Some(chain)) = (rule["comment"].as_str(), rule["chain"].as_str()) else { continue };
        let handle = rule["handle"].as_u64().context("handle")?;
        rules.entry((comment.to_owned(), chain.to_owned())).or_default().push(Rule { chain: chain.to_owned(), handle });
    }
    ensure!(!rules.is_empty(), "{host} has no rules");
    Ok(rules)
}

pub(crate) fn each_is_needed(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    let mut tried: BTreeSet<String> = BTreeSet::new();
    // One host of each role: the others' rules are the same.
    for host in ["lb1", "m1", "n1"] {
        for ((comment, chain), rules) in rules(scenario, host)? {
            // m1 has pods of the cluster's own only; n1 shows what its rules for pods are for.
            if host == "m1" && chain == "forward" {
                continue;
            }
            scenario.step(&format!("{host} without its rule `{comment}` in {chain}"));
            for rule in &rules {
                nft(scenario, host, &["delete", "rule", "inet", "barque", &rule.chain, "handle", &rule.handle.to_string()])?.ok()?;
            }
            let broken = is_broken(scenario, kubectl, host, &comment, &chain);
            scenario.lab.get(host, "systemctl reload barque-firewall.service")?;
            ensure!(broken?, "{host}: nothing breaks without the rule `{comment}` in {chain}");
            tried.insert(comment);
        }
    }
    for wanted in [
        "ssh",
        "api-vip",
        "api",
        "kubelet",
        "vxlan",
        "vrrp",
        "node-ports-tcp",
        "node-ports-udp",
        "published",
        "pods",
        "pods-out",
        "pods-closed",
        "established",
        "loopback",
        "icmp",
        "icmp6",
        "dhcp",
        "dhcp6",
    ] {
        ensure!(tried.contains(wanted), "no host has a rule `{wanted}`: {tried:?}");
    }
    scenario.step("all rules are back, and everything works");
    for (host, other) in [("lb1", "lb2"), ("m1", "lb1"), ("n1", "lb1")] {
        ensure!(packets::pings6(scenario, other, host)?, "{host} does not answer {other} over IPv6");
        ensure!(packets::dhcp(scenario, other, host)?, "a DHCP server's answer does not come to {host}");
        ensure!(packets::dhcp6(scenario, other, host)?, "a DHCPv6 server's answer does not come to {host}");
    }
    workload::works(scenario, kubectl)
}

/// Whether the flow that a rule is for does not get through any more, seen from a host that needs it.
fn is_broken(scenario: &Scenario, kubectl: &Kubectl, host: &str, comment: &str, chain: &str) -> Result<bool> {
    let other = if host == "lb1" { "lb2" } else { "lb1" };
    let place = |port: u16| -> Result<String> { Ok(format!("{}:{port}", address(scenario, host)?)) };
    match (comment, chain) {
        ("ssh", _) => Ok(!opens(&place(22)?)?),
        ("icmp", _) => Ok(!pings(&address(scenario, host)?)?),
        ("loopback", _) => Ok(!reaches_itself(scenario, host)?),
        // The answers to what the host itself begins.
        ("established", "input") => Ok(!connects(scenario, host, &address(scenario, other)?, 22)?),
        ("icmp6", _) => Ok(!packets::pings6(scenario, other, host)?),
        ("dhcp", _) => Ok(!packets::dhcp(scenario, other, host)?),
        ("dhcp6", _) => Ok(!packets::dhcp6(scenario, other, host)?),
        ("published", "forward") => Ok(workload::node_port(&place(30080)?).is_err()),
        // What a rule closes is open without it.
        ("pods-closed", _) => {
            let pods = workload::pods(kubectl)?;
            let pod = pods.iter().find(|pod| pod.node == host).with_context(|| format!("no pod on {host}"))?;
            packets::opens_pod(scenario, "lb1", host, &pod.address)
        }
        ("established" | "pods-out", "forward") => {
            let pods = workload::pods(kubectl)?;
            let pod = pods.iter().find(|pod| pod.node == host).with_context(|| format!("no pod on {host}"))?;
            Ok(!workload::connects(kubectl, pod, &format!("{}:22", address(scenario, "lb1")?))?)
        }
        ("pods", "forward") => {
            let pods = workload::pods(kubectl)?;
            let here = pods.iter().find(|pod| pod.node == host).with_context(|| format!("no pod on {host}"))?;
            let there = pods.iter().find(|pod| pod.node != host).context("no pod elsewhere")?;
            Ok(!workload::connects(kubectl, there, &format!("{}:8080", here.address))?)
        }
        _ => {
            let finished = scenario.remote(&["firewall", "test", "-o", "json"])?;
            let blocked = blocked(&finished)?;
            let named = flows(&finished.stdout)?;
            ensure!(blocked.iter().all(|line| line.contains(&format!(" -> {host} "))), "{comment}: {blocked:#?}");
            // The jump to the rules for ports that hosts publish.
            Ok(named.contains(if comment == "published" { "node-ports-tcp" } else { comment }))
        }
    }
}

/// The flows that `firewall test` names.
fn flows(json: &str) -> Result<BTreeSet<String>> {
    let test: serde_json::Value = serde_json::from_str(json)?;
    let blocked = test["report"]["blocked"].as_array().context("blocked")?;
    let flows = blocked.iter().flat_map(|blocked| blocked["flows"].as_array().into_iter().flatten());
    Ok(flows.filter_map(|flow| Some(flow.as_str()?.to_owned())).collect())
}

fn connects(scenario: &Scenario, host: &str, to: &str, port: u16) -> Result<bool> {
    Ok(scenario.lab.shell(host, &format!("timeout 2 bash -c '</dev/tcp/{to}/{port}'"))?.code == Some(0))
}

/// Whether a host reaches a port of its own that no other rule lets in.
fn reaches_itself(scenario: &Scenario, host: &str) -> Result<bool> {
    // Doubled for systemd, which starts the shell.
    let listen = "$$s = IO::Socket::INET->new(Listen => 1, LocalAddr => q(127.0.0.1), LocalPort => 9999) or die; alarm 5; $$s->accept";
    let script = format!("perl -MIO::Socket::INET -e '{listen}' >/dev/null 2>&1 & sleep 0.5; timeout 2 bash -c '</dev/tcp/127.0.0.1/9999'");
    Ok(scenario.lab.shell(host, &script)?.code == Some(0))
}

/// Two echo requests from this machine.
fn pings(to: &str) -> Result<bool> {
    Ok(barque_e2e::run("ping", ["-c", "2", "-W", "1", to])?.code == Some(0))
}
