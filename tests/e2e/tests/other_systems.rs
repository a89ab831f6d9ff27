//! Hosts of other distributions, with an older glibc, without a package manager that barque knows, and together with Debian 13.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Scenario, Scope, eventually, topology};
use serde_json::Value;

const HOSTS: [(&str, &str); 4] = [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master"), ("n1", "node")];
const SUITES: [(&str, &str); 4] = [("lb1", "trixie"), ("lb2", "bookworm"), ("m1", "bookworm"), ("n1", "bookworm")];
const ALL: [&str; 4] = ["lb1", "lb2", "m1", "n1"];
/// Hosts that say they are Rocky Linux 9.6 and have no package manager of Debian's any more.
const FOREIGN: [&str; 2] = ["lb2", "n1"];
const FIREWALL: &str = "firewall:\n  backend: nftables";
/// See `take_back::farewell`.
const EXCEPT: [&str; 5] = ["/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/var/lib/containerd"];
/// Whose libraries a program of a unit has mapped, by folder.
const MAPPED: &str = "grep -ohE '/[^ ]+\\.so[^ ]*' /proc/$(systemctl show -p MainPID --value UNIT)/maps | xargs -n1 dirname | sort -u";

#[test]
fn hosts_of_several_distributions_make_one_cluster() -> Result<()> {
    let scenario = Scenario::new("others", &topology(&SUITES))?;
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?.spec(FIREWALL))?;
    for host in FOREIGN {
        scenario.lab.get(
            host,
            "printf 'NAME=\"Rocky Linux\"\\nID=\"rocky\"\\nID_LIKE=\"rhel centos fedora\"\\nVERSION_ID=\"9.6\"\\nPRETTY_NAME=\"Rocky Linux 9.6\"\\n' >/usr/lib/os-release && \
             rm -rf /usr/bin/dpkg* /usr/bin/apt* /usr/bin/deb-systemd* /var/lib/dpkg /etc/apt /etc/dpkg",
        )?;
    }
    let scope = Scope::whole().without(&EXCEPT);
    let before = scenario.lab.listings(&ALL, &scope)?;
    let packages = packages(&scenario)?;

    scenario.step("check warns of what nobody has tried");
    let report: Value = serde_json::from_str(&scenario.remote(&["check", "--output", "json"])?.code(0)?.stdout)?;
    let untried: Vec<&str> = report["findings"]
        .as_array()
        .context("findings")?
        .iter()
        .filter(|finding| finding["id"] == "untried-system")
        .filter_map(|finding| finding["host"].as_str())
        .collect();
    ensure!(untried == FOREIGN, "{report:#}");

    scenario.step("rules of a packet filter, by a program that the hosts do not have yet");
    ensure!(scenario.lab.shell("n1", "command -v nft")?.code != Some(0), "n1 has nft already");
    scenario.remote(&["firewall", "apply"])?.ok()?;
    for host in ALL {
        scenario.lab.get(host, "nft list table inet barque")?;
    }

    scenario.step("up");
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    let kubectl = scenario.kubectl()?;
    let nodes = kubectl.get(&["get", "nodes", "-o", "jsonpath={range .items[*]}{.status.nodeInfo.osImage}{\"\\n\"}{end}"])?;
    ensure!(nodes.contains("bookworm") && nodes.contains("Rocky Linux 9.6"), "{nodes}");

    scenario.step("no package manager was used but Debian 13's");
    ensure!(packages == self::packages(&scenario)?, "packages changed on m1");
    for (host, unit) in [("lb2", "haproxy"), ("lb2", "keepalived")] {
        let folders = scenario.lab.get(host, &MAPPED.replace("UNIT", unit))?;
        ensure!(
            folders.lines().count() == 1 && folders.starts_with(&format!("/usr/local/lib/barque/{unit}-")),
            "{unit} on {host} uses libraries of {folders}"
        );
    }
    ensure!(scenario.lab.get("lb1", &MAPPED.replace("UNIT", "haproxy"))?.contains("/usr/lib/x86_64-linux-gnu"));
    for host in ["m1", "n1"] {
        let rules = scenario.lab.get(host, "nft list table ip kube-proxy && iptables-save && readlink -f $(command -v nft)")?;
        ensure!(rules.contains("service-ips") && rules.contains("/usr/local/lib/barque/nftables-"), "{host}: {rules}");
    }

    scenario.step("a reload keeps the balancer's connections");
    scenario.lab.get("lb2", "systemctl reload haproxy && systemctl is-active haproxy")?;

    scenario.step("the other balancer takes the address");
    scenario.lab.kill("lb1")?;
    let holds = format!("ip -o address show | grep -F {}/32", scenario.lab.vip());
    eventually("lb2 has the address and the API answers", Duration::from_secs(30), || {
        scenario.lab.get("lb2", &holds)?;
        kubectl.get(&["get", "--raw", "/readyz"])
    })?;
    scenario.lab.boot("lb1")?;

    scenario.step("second up");
    eventually("lb1 is back", Duration::from_mins(1), || scenario.lab.get("lb1", "systemctl is-active keepalived"))?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;

    scenario.step("pods are reached by the other packet filter too");
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?.spec(FIREWALL).spec("network:\n  kubeProxyMode: iptables"))?;
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    for host in ["m1", "n1"] {
        let rules = scenario.lab.get(host, "iptables-save -t nat && readlink -f $(command -v iptables)")?;
        ensure!(rules.contains("KUBE-SVC-") && rules.contains("/usr/local/lib/barque/iptables-"), "{host}: {rules}");
    }

    scenario.step("what was put there is put right");
    scenario.lab.get("n1", "rm /usr/local/sbin/nft")?;
    scenario.up(&[])?.ok()?;
    scenario.lab.get("n1", "nft list tables")?;

    scenario.step("taken back");
    let first = scenario.runs()?.first().cloned().context("a run")?;
    scenario.remote(&["rollback", &first, "--yes", "--delete-data", "--forget"])?.ok()?;
    let after = scenario.lab.listings(&ALL, &scope)?;
    for (host, before) in &before {
        let different = before.differences(&after[host]);
        // lb1 was booted anew meanwhile.
        let different: Vec<_> = different.iter().filter(|line| !line.contains("/etc/machine-id")).collect();
        ensure!(different.is_empty(), "{host}: {different:#?}");
    }
    ensure!(packages == self::packages(&scenario)?, "packages changed on m1");
    Ok(())
}

/// What Debian 12's package manager says is there.
fn packages(scenario: &Scenario) -> Result<String> {
    scenario.lab.get("m1", "dpkg-query --show")
}
