//! Frozen hosts and killed processes: clients get through again within ten seconds, and everything comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually};

/// What the issue promises to clients.
const OUTAGE: Duration = Duration::from_secs(10);

fn holders(scenario: &Scenario, among: &[&str]) -> Result<Vec<String>> {
    let command = format!("ip -o addr show | grep -c ' {}/' || true", scenario.lab.vip());
    let mut holders = Vec::new();
    for host in among {
        if scenario.lab.get(host, &command)? != "0" {
            holders.push((*host).to_owned());
        }
    }
    Ok(holders)
}

/// The API must answer a new client within [`OUTAGE`], and then three times in a row.
fn answers_soon(kubectl: &Kubectl, what: &str) -> Result<()> {
    let begun = Instant::now();
    eventually(what, OUTAGE, || kubectl.run_for("2s", &["get", "nodes"])?.ok())?;
    let took = begun.elapsed();
    ensure!(took <= OUTAGE + Duration::from_secs(2), "{what}: {took:?}");
    Ok(())
}

pub(crate) fn balancer(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("the VIP holder's host freezes");
    let before = holders(scenario, &crate::BALANCERS)?;
    ensure!(before.len() == 1, "holders: {before:?}");
    let holder = before[0].as_str();
    let other = crate::BALANCERS.into_iter().find(|name| *name != holder).context("two balancers")?;
    scenario.lab.pause(holder)?;
    let result = answers_soon(kubectl, "kubectl through the VIP").and_then(|()| holders(scenario, &[other]));
    scenario.lab.resume(holder)?;
    ensure!(result? == [other], "{other} must hold the VIP");
    eventually("exactly one holder again", Duration::from_secs(15), || {
        let now = holders(scenario, &crate::BALANCERS)?;
        ensure!(now.len() == 1, "holders: {now:?}");
        Ok(())
    })?;
    answers_soon(kubectl, "kubectl after the balancer came back")
}

pub(crate) fn masters(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    for master in crate::MASTERS {
        scenario.step(&format!("{master} freezes"));
        scenario.lab.pause(master)?;
        let result = answers_soon(kubectl, "kubectl with a frozen master");
        scenario.lab.resume(master)?;
        result?;
        let address = scenario.lab.host(master)?.address;
        eventually(&format!("{master} serves again"), Duration::from_mins(1), || {
            let code = barque_e2e::run(
                "curl",
                ["-sk", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", &format!("https://{address}:6443/readyz")],
            )?
            .ok()?;
            ensure!(code.stdout == "200", "{}", code.stdout);
            Ok(())
        })?;
        etcd_is_whole(scenario, "m1")?;
    }
    Ok(())
}

pub(crate) fn etcd_member(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("one etcd member is killed");
    let before = scenario.lab.get("m2", "systemctl show -p MainPID --value etcd")?;
    scenario.lab.get("m2", "kill -9 $(systemctl show -p MainPID --value etcd)")?;
    answers_soon(kubectl, "kubectl with a killed etcd member")?;
    etcd_is_whole(scenario, "m1")?;
    let after = scenario.lab.get("m2", "systemctl show -p MainPID --value etcd")?;
    ensure!(before != after, "systemd must have started another process");
    Ok(())
}

pub(crate) fn etcd_is_whole(scenario: &Scenario, from: &str) -> Result<()> {
    let health = "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health --cluster -w json";
    eventually("all etcd members healthy", Duration::from_mins(1), || {
        let text = scenario.lab.get(from, health)?;
        let members: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        let healthy = members.as_array().context("an array")?.iter().filter(|member| member["health"] == true).count();
        ensure!(healthy == 3, "healthy members: {healthy}");
        Ok(())
    })
}
