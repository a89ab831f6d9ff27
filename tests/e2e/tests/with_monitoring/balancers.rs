//! What stands before the cluster and under it: etcd, haproxy, keepalived and the virtual address.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually, run};

use crate::{SOON, ask, firing};

/// Hosts with a gateway.
const GATEWAYS: [&str; 3] = ["lb1", "lb2", "m1"];

/// Status code of a call from this machine, with a token or without.
fn code(scenario: &Scenario, host: &str, path: &str, token: Option<&str>, more: &[&str]) -> Result<String> {
    let authority = scenario.folder.path().join("ca.crt");
    fs_err::write(&authority, scenario.lab.get("m1", "cat /etc/kubernetes/pki/ca.crt")?)?;
    let url = format!("https://{}:9259{path}", scenario.lab.host(host)?.address);
    let header = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut arguments = vec!["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"];
    let authority = authority.display().to_string();
    arguments.push(&authority);
    arguments.extend(header.iter().flat_map(|header| ["--header", header.as_str()]));
    arguments.extend(more);
    arguments.push(&url);
    Ok(run("curl", arguments)?.ok()?.stdout)
}

/// Over TLS that is verified: Prometheus's token for gateways opens what is passed on, and nothing else opens anything.
pub(crate) fn nobody_else_is_answered(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("the gateway answers the token of Prometheus made for it, and nothing else");
    let token = |account: &str, audience: &str| {
        kubectl.get(&["-n", "monitoring", "create", "token", account, "--audience", audience]).map(|token| token.trim().to_owned())
    };
    let right = token("prometheus", "barque-metrics")?;
    for (host, path, expected) in [
        ("m1", "/etcd", "200"),
        ("lb1", "/haproxy", "200"),
        ("lb2", "/host", "200"),
        ("m1", "/haproxy", "404"),
        ("m1", "/v3/kv/range", "404"),
        ("lb1", "/etcd", "404"),
    ] {
        let found = code(scenario, host, path, Some(&right), &[])?;
        ensure!(found == expected, "{host} {path}: {found} in place of {expected}");
    }
    let for_the_api = token("prometheus", "https://kubernetes.default.svc.cluster.local")?;
    let of_another = token("alertmanager", "barque-metrics")?;
    let wrong = [None, Some(for_the_api.as_str()), Some(of_another.as_str()), Some("a.b.c")];
    for (host, path) in [("m1", "/etcd"), ("lb1", "/haproxy"), ("lb1", "/host"), ("lb1", "/other")] {
        for token in wrong {
            let found = code(scenario, host, path, token, &[])?;
            ensure!(found == "401", "{host} {path} with {token:?}: {found}");
        }
    }
    ensure!(code(scenario, "m1", "/etcd", Some(&right), &["--request", "DELETE"])? == "405", "DELETE is not refused");
    for host in GATEWAYS {
        let pid = scenario.lab.get(host, "systemctl show --property=MainPID --value barque-metrics.service")?;
        let status = scenario.lab.get(host, &format!("grep -E '^(Uid|CapEff|CapPrm|VmRSS)' /proc/{pid}/status"))?;
        ensure!(status.contains("CapEff:\t0000000000000000") && !status.contains("Uid:\t0\t"), "{host} has rights:\n{status}");
        scenario.step(&format!("gateway of {host}: {}", status.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    Ok(())
}

/// Which balancer has the virtual address, as Prometheus knows it.
fn holders(kubectl: &Kubectl) -> Result<BTreeSet<String>> {
    let found = ask(kubectl, "query?query=barque_vip_held%3D%3D1")?;
    let list = found["result"].as_array().context("an answer")?;
    Ok(list.iter().map(|one| one["metric"]["host"].as_str().unwrap_or_default().to_owned()).collect())
}

/// As the host itself knows it.
fn holds(scenario: &Scenario, host: &str) -> Result<bool> {
    let vip = scenario.lab.vip();
    Ok(scenario.lab.get(host, "ip -o address show")?.contains(&format!(" {vip}/")))
}

fn alerts_within(kubectl: &Kubectl, wanted: &[&str], unwanted: &[&str]) -> Result<()> {
    eventually(&format!("{wanted:?} and not {unwanted:?} at Alertmanager"), SOON, || {
        let found = firing(kubectl)?;
        ensure!(wanted.iter().all(|name| found.contains(*name)), "{found:?}");
        ensure!(unwanted.iter().all(|name| !found.contains(*name)), "{found:?}");
        Ok(())
    })
}

pub(crate) fn faults_are_alerts(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    const ALL: [&str; 5] = ["KeepalivedDown", "BalancerDown", "HaproxyDown", "VipLost", "MasterOutOfBalance"];
    scenario.step("the virtual address: one holder, the same that its host knows; none of the balancers' alerts");
    let (holder, other) = if holds(scenario, "lb1")? { ("lb1", "lb2") } else { ("lb2", "lb1") };
    eventually("Prometheus knows the holder", SOON, || {
        let found = holders(kubectl)?;
        ensure!(found.iter().map(String::as_str).eq([holder]), "{found:?} in place of {holder}");
        Ok(())
    })?;
    alerts_within(kubectl, &[], &ALL)?;

    scenario.step("keepalived of the holder stopped: the address moves, and an alert tells");
    scenario.lab.get(holder, "systemctl stop keepalived.service")?;
    eventually("the address has moved", SOON, || {
        let found = holders(kubectl)?;
        ensure!(found.iter().map(String::as_str).eq([other]) && holds(scenario, other)?, "{found:?} in place of {other}");
        Ok(())
    })?;
    alerts_within(kubectl, &["KeepalivedDown"], &["VipLost", "BalancerDown", "HaproxyDown"])?;

    scenario.step("haproxy of the other one stopped too: nobody holds the address, and alerts tell");
    scenario.lab.get(other, "systemctl stop haproxy.service")?;
    let direct = scenario.kubectl_of("m1")?;
    let seen = alerts_within(&direct, &["KeepalivedDown", "HaproxyDown", "VipLost"], &["BalancerDown"]);
    scenario.lab.get(other, "systemctl start haproxy.service")?;
    scenario.lab.get(holder, "systemctl start keepalived.service")?;
    seen?;
    alerts_within(&direct, &[], &ALL)?;

    scenario.step("a balancer frozen as a whole");
    scenario.lab.pause(other)?;
    let seen = alerts_within(&direct, &["BalancerDown"], &["HaproxyDown", "KeepalivedDown"]);
    scenario.lab.resume(other)?;
    seen?;
    alerts_within(&direct, &[], &ALL)
}

/// Unit, program, user, files and listeners of a gateway, on every host that had one.
pub(crate) fn nothing_is_left(scenario: &Scenario) -> Result<()> {
    for host in GATEWAYS {
        let left = scenario.lab.get(
            host,
            "ls -d /etc/barque-metrics /usr/local/bin/barque-metrics /etc/systemd/system/barque-metrics.service /etc/systemd/system/multi-user.target.wants/barque-metrics.service 2>/dev/null; \
             grep -h barque-metrics /etc/passwd /etc/group; ss -Hltn | grep -E ':(9259|8405) '; true",
        )?;
        ensure!(left.is_empty(), "left on {host}:\n{left}");
    }
    Ok(())
}
