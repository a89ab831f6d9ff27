//! Other machines on the balancers' segment: who has the VIP, who speaks for the same virtual router. Each is named by hardware address and
//! address, nothing is written in its presence, and `auto` makes room for it.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Scenario, Scope, eventually};
use serde_json::Value;

/// Two balancers, one master, and two hosts that are none of the cluster's.
const TOPOLOGY: &str = r#"
[[hosts]]
name = "lb1"
[[hosts]]
name = "lb2"
[[hosts]]
name = "m1"
[[hosts]]
name = "x1"
[[hosts]]
name = "x2"
"#;

const HOSTS: [(&str, &str); 3] = [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master, node")];
const NAMES: [&str; 3] = ["lb1", "lb2", "m1"];
/// The scenario's own virtual routers; any number would do.
const FIRST: u8 = 71;

#[test]
fn other_machines_are_named_and_made_room_for() -> Result<()> {
    let scenario = Scenario::new("vip", TOPOLOGY)?;
    let file = ClusterFile::new(&scenario.lab, &HOSTS)?;
    scenario.write(&file)?;
    for host in ["x1", "x2"] {
        install_keepalived(&scenario, host)?;
    }
    a_vip_outside_the_segment(&scenario, &file)?;
    a_machine_with_the_vip(&scenario)?;
    a_foreign_router_with_the_same_identifier(&scenario, &file)?;
    auto_makes_room_and_stays(&scenario)?;
    a_router_that_comes_later(&scenario)?;
    a_machine_that_takes_the_vip_later(&scenario)?;
    nobody_with_the_vip(&scenario)
}

/// barque's own folder holds the agent as soon as a host was looked at.
fn scope() -> Scope {
    Scope::whole().without(&["/var/lib/barque", "/root"]).with_times()
}

/// `up` and `plan` refuse with each of `texts`, and the hosts' disks stay as they are.
fn refused(scenario: &Scenario, texts: &[&str]) -> Result<()> {
    let before = scenario.lab.listings(&NAMES, &scope())?;
    scenario.up(&[])?.code(5)?.says(texts)?;
    scenario.remote(&["plan"])?.code(3)?.says(texts)?.says(&["`barque up` would refuse this"])?;
    let after = scenario.lab.listings(&NAMES, &scope())?;
    for host in NAMES {
        let found = before[host].differences(&after[host]);
        ensure!(found.is_empty(), "{host} was changed: {found:?}");
    }
    Ok(())
}

/// A host's hardware address, as it says itself.
fn mac(scenario: &Scenario, host: &str) -> Result<String> {
    let link = scenario.lab.get(host, "ip -o link show eth0")?;
    let mac = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
    Ok(mac.with_context(|| link.clone())?.to_owned())
}

fn address(scenario: &Scenario, host: &str) -> Result<String> {
    Ok(scenario.lab.host(host)?.address.to_string())
}

/// Installs the distribution's keepalived; it does nothing without a configuration.
fn install_keepalived(scenario: &Scenario, host: &str) -> Result<()> {
    let source = PathBuf::from(std::env::var("BARQUE_TEST_PACKAGES")?);
    let target = PathBuf::from(format!("/proc/{}/root/root/packages", scenario.lab.leader(host)?));
    fs_err::create_dir_all(&target)?;
    for entry in fs_err::read_dir(source)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "deb") {
            fs_err::copy(entry.path(), target.join(entry.file_name()))?;
        }
    }
    scenario.lab.get(host, "DEBIAN_FRONTEND=noninteractive dpkg -i /root/packages/*.deb && rm -r /root/packages").map(drop)
}

/// Starts a virtual router on a host, with an address of its own, and waits until it speaks.
fn start_router(scenario: &Scenario, host: &str, version: u8, vrid: u8, address: &str) -> Result<()> {
    let text = format!(
        "global_defs {{\n  vrrp_version {version}\n}}\nvrrp_instance foreign {{\n  state MASTER\n  interface eth0\n  virtual_router_id {vrid}\n  priority 90\n  advert_int 1\n  virtual_ipaddress {{\n    {address}/24\n  }}\n}}\n"
    );
    scenario.lab.get(host, &format!("cat >/etc/keepalived/keepalived.conf <<'END'\n{text}END\nsystemctl restart keepalived"))?;
    eventually(&format!("the router on {host}"), Duration::from_secs(30), || {
        scenario.lab.get(host, &format!("ip -o address show dev eth0 | grep -q ' {address}/'")).map(drop)
    })
}

fn stop_router(scenario: &Scenario, host: &str) -> Result<()> {
    scenario.lab.get(host, "systemctl stop keepalived").map(drop)
}

/// An address of the lab's network that is nobody's.
fn free_address(scenario: &Scenario, last: u8) -> String {
    let [first, second, third, _] = scenario.lab.vip().octets();
    format!("{first}.{second}.{third}.{last}")
}

fn a_vip_outside_the_segment(scenario: &Scenario, file: &ClusterFile) -> Result<()> {
    scenario.step("a VIP outside of the balancers' network");
    let vip = scenario.lab.vip().to_string();
    fs_err::write(scenario.cluster_file(), file.text().replace(&format!("vip: {vip}"), "vip: 192.0.2.200"))?;
    refused(scenario, &["192.0.2.200", "lb1", "lb2", "eth0", "spec.loadBalancer.vip"])?;
    scenario.write(file)
}

fn a_machine_with_the_vip(scenario: &Scenario) -> Result<()> {
    scenario.step("a machine that has the VIP already");
    let vip = scenario.lab.vip().to_string();
    scenario.lab.get("x1", &format!("ip address add {vip}/32 dev eth0"))?;
    refused(scenario, &[&vip, &mac(scenario, "x1")?, "is in use", "spec.loadBalancer.vip"])?;
    scenario.lab.get("x1", &format!("ip address del {vip}/32 dev eth0")).map(drop)
}

/// With a written number: the same is refused, another one is not.
fn a_foreign_router_with_the_same_identifier(scenario: &Scenario, file: &ClusterFile) -> Result<()> {
    scenario.step("a foreign router with the same identifier, and one with another");
    start_router(scenario, "x1", 2, FIRST, &free_address(scenario, 201))?;
    start_router(scenario, "x2", 3, FIRST + 1, &free_address(scenario, 202))?;
    let written = |vrid: u8| file.text().replace("  loadBalancer:\n", &format!("  loadBalancer:\n    vrid: {vrid}\n"));
    fs_err::write(scenario.cluster_file(), written(FIRST))?;
    let (first, second) = (mac(scenario, "x1")?, mac(scenario, "x2")?);
    let free = format!("vrid: {}", FIRST + 2);
    refused(scenario, &[&format!("VRID {FIRST} is in use"), &first, &address(scenario, "x1")?, &free_address(scenario, 201), &free])?;
    let report = scenario.up(&[])?.code(5)?;
    ensure!(!report.stderr.contains(&second), "the router with another identifier is blamed: {}", report.stderr);
    // The second one speaks version 3.
    fs_err::write(scenario.cluster_file(), written(FIRST + 1))?;
    refused(scenario, &[&format!("VRID {} is in use", FIRST + 1), &second, &address(scenario, "x2")?, "VRRP 3", &free])?;
    scenario.write(file)
}

/// The identifier in a balancer's configuration.
fn deployed(scenario: &Scenario, host: &str) -> Result<u8> {
    let text = scenario.lab.get(host, "awk '$1 == \"virtual_router_id\" { print $2 }' /etc/keepalived/keepalived.conf")?;
    text.parse().with_context(|| format!("{host}: `{text}`"))
}

fn auto_makes_room_and_stays(scenario: &Scenario) -> Result<()> {
    scenario.step("auto avoids the identifiers that are spoken");
    // The number that barque would choose on an empty segment, and the one after it, are taken.
    stop_router(scenario, "x1")?;
    stop_router(scenario, "x2")?;
    scenario.remote(&["plan"])?.code(3)?;
    let kept = || fs_err::read_to_string(scenario.state().join("vrid"));
    let wished: u8 = kept()?.trim().parse()?;
    let after = |number: u8, steps: u8| (0..steps).fold(number, |number, _| if number == 255 { 1 } else { number + 1 });
    start_router(scenario, "x1", 2, wished, &free_address(scenario, 201))?;
    start_router(scenario, "x2", 3, after(wished, 1), &free_address(scenario, 202))?;
    scenario.up(&[])?.ok()?;
    let chosen = after(wished, 2);
    ensure!(kept()?.trim().parse::<u8>()? == chosen, "{:?} is kept in place of {chosen}", kept()?);
    for host in ["lb1", "lb2"] {
        ensure!(deployed(scenario, host)? == chosen, "{host} has {} in place of {chosen}", deployed(scenario, host)?);
    }
    scenario.step("and stays the same, with and without the operator's note of it");
    stop_router(scenario, "x1")?;
    stop_router(scenario, "x2")?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    fs_err::remove_file(scenario.state().join("vrid"))?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    ensure!(kept()?.trim().parse::<u8>()? == chosen, "{:?} is kept in place of {chosen}", kept()?);
    healthy(scenario)
}

fn healthy(scenario: &Scenario) -> Result<()> {
    eventually("a healthy cluster", Duration::from_mins(1), || {
        let status = status(scenario, 0)?;
        ensure!(status["segment"].as_array().is_some_and(Vec::is_empty), "{status}");
        Ok(())
    })
}

/// What `status` says, with that exit code.
fn status(scenario: &Scenario, code: i32) -> Result<Value> {
    Ok(serde_json::from_str(&scenario.remote(&["status", "--output", "json"])?.code(code)?.stdout)?)
}

/// Whether `status` has a finding of `kind` with all of `texts`, and no other.
fn found(scenario: &Scenario, kind: &str, texts: &[&str]) -> Result<()> {
    let status = status(scenario, 1)?;
    let findings = status["segment"].as_array().context("no findings")?;
    let fits = |finding: &Value| {
        let message = finding["message"].as_str().unwrap_or_default();
        finding["kind"] == kind && texts.iter().all(|text| message.contains(text))
    };
    ensure!(!findings.is_empty() && findings.iter().all(fits), "not `{kind}` with {texts:?}: {findings:?}");
    Ok(())
}

fn a_router_that_comes_later(scenario: &Scenario) -> Result<()> {
    scenario.step("a foreign router with the cluster's identifier after the deployment");
    let vrid = deployed(scenario, "lb1")?;
    start_router(scenario, "x2", 3, vrid, &free_address(scenario, 202))?;
    found(scenario, "vridInUse", &[&mac(scenario, "x2")?, &address(scenario, "x2")?, &format!("VRID {vrid}")])?;
    // It is none of the cluster's business, and the number stays.
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    stop_router(scenario, "x2")?;
    healthy(scenario)
}

fn a_machine_that_takes_the_vip_later(scenario: &Scenario) -> Result<()> {
    scenario.step("a machine that takes the VIP after the deployment");
    let vip = scenario.lab.vip().to_string();
    let status = status(scenario, 0)?;
    let holder = status["vipHolders"][0].as_str().context("nobody holds the VIP")?.to_owned();
    scenario.lab.get("x1", &format!("ip address add {vip}/32 dev eth0"))?;
    found(
        scenario,
        "vipInUse",
        &[&vip, &mac(scenario, "x1")?, "held twice", &holder, &mac(scenario, &holder)?, &address(scenario, &holder)?],
    )?;
    scenario.remote(&["status", "--no-listen"])?;
    scenario.lab.get("x1", &format!("ip address del {vip}/32 dev eth0"))?;
    healthy(scenario)
}

fn nobody_with_the_vip(scenario: &Scenario) -> Result<()> {
    scenario.step("nobody has the VIP");
    for host in ["lb1", "lb2"] {
        scenario.lab.get(host, "systemctl stop keepalived")?;
    }
    let status = status(scenario, 1)?;
    let kinds: Vec<&str> = status["segment"].as_array().context("no findings")?.iter().filter_map(|found| found["kind"].as_str()).collect();
    ensure!(kinds == ["vipHeldByNobody"], "{status}");
    Ok(())
}
