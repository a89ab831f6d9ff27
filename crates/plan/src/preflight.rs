//! Faults that make a deployment pointless, found from facts before anything is changed.

use std::collections::BTreeMap;

use barque_model::{Cluster, Host, HostName};

use crate::HostFacts;

/// A fault of one host and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The host.
    pub host: HostName,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Distributions that barque's packages are made for, as `(ID, VERSION_ID)` of `/etc/os-release`.
pub const SUPPORTED_SYSTEMS: [(&str, &str); 1] = [("debian", "13")];

/// Free bytes that a host needs besides what it will receive: room for logs, images' layers and etcd's first files.
const HEADROOM_BYTES: u64 = 200 << 20;

/// Bytes that each host still has to receive, uncompressed.
pub type BytesToReceive = BTreeMap<HostName, u64>;

/// Checks all hosts; every fault of every host is reported.
pub fn preflight(cluster: &Cluster, facts: &BTreeMap<HostName, HostFacts>, to_receive: &BytesToReceive) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in &cluster.hosts {
        let Some(facts) = facts.get(&host.name) else { continue };
        let mut report = |message: String, remedy: String| findings.push(Finding { host: host.name.clone(), message, remedy });
        system(facts, &mut report);
        addresses(cluster, host, facts, &mut report);
        cgroups(cluster, host, facts, &mut report);
        disks(facts, to_receive.get(&host.name).copied().unwrap_or(0), &mut report);
    }
    duplicates(cluster, facts, &mut findings);
    findings
}

fn system(facts: &HostFacts, report: &mut impl FnMut(String, String)) {
    if !facts.systemd {
        report("systemd is not its init system".into(), "use a host whose process 1 is systemd".into());
    }
    let supported = SUPPORTED_SYSTEMS.iter().any(|(id, version)| facts.os.id == *id && facts.os.version_id == *version);
    if !supported {
        let names: Vec<String> = SUPPORTED_SYSTEMS.iter().map(|(id, version)| format!("{id} {version}")).collect();
        let found = format!("{} {}", facts.os.id, facts.os.version_id);
        report(
            format!("its operating system `{}` ({found}) is not supported", facts.os.pretty_name),
            format!("install one of: {}", names.join(", ")),
        );
    }
    if !matches!(facts.architecture.as_str(), "amd64" | "arm64") {
        report(format!("its architecture `{}` is not supported", facts.architecture), "use amd64 or arm64".into());
    }
}

fn addresses(cluster: &Cluster, host: &Host, facts: &HostFacts, report: &mut impl FnMut(String, String)) {
    if !facts.addresses.iter().any(|found| found.address == host.address) {
        let own: Vec<String> =
            facts.addresses.iter().filter(|found| !found.address.is_loopback()).map(|found| found.address.to_string()).collect();
        report(
            format!("none of its interfaces has the address {}; it has {}", host.address, own.join(", ")),
            format!("set `address` of host {} in the cluster file to one of them", host.name),
        );
    }
    let Some(balancer) = &cluster.load_balancer else { return };
    if let Some(name) = balancer.interface.as_ref().filter(|_| host.has(barque_model::Role::LoadBalancer))
        && !facts.addresses.iter().any(|found| found.interface == *name)
    {
        report(format!("it has no interface `{name}` with an address"), "correct `spec.loadBalancer.interface`, or leave it out".into());
    }
}

fn cgroups(cluster: &Cluster, host: &Host, facts: &HostFacts, report: &mut impl FnMut(String, String)) {
    if host.is_node() && !facts.cgroup_v2 && cluster.kubelet.fail_cgroup_v1 {
        report(
            "it uses cgroup v1, which kubelet refuses from release 1.35 on".into(),
            "boot it with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`), or set `spec.kubelet.failCgroupV1: false`".into(),
        );
    }
}

fn disks(facts: &HostFacts, to_receive: u64, report: &mut impl FnMut(String, String)) {
    let mut reported = Vec::new();
    for disk in &facts.disks {
        let needed = if disk.path == "/var/lib/barque" { to_receive.saturating_add(HEADROOM_BYTES) } else { 16 << 20 };
        if to_receive > 0 && disk.free_bytes < needed && !reported.contains(&&disk.mount) {
            reported.push(&disk.mount);
            report(
                format!(
                    "the file system `{}` under {} has {} MB free; {} MB are needed",
                    disk.mount,
                    disk.path,
                    disk.free_bytes >> 20,
                    needed >> 20
                ),
                format!("free space on it; `du -xh --max-depth=2 {} | sort -h` on the host shows what takes it", disk.mount),
            );
        }
    }
}

fn duplicates(cluster: &Cluster, facts: &BTreeMap<HostName, HostFacts>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &HostName> = BTreeMap::new();
    for host in &cluster.hosts {
        let Some(facts) = facts.get(&host.name) else { continue };
        if let Some(other) = seen.insert(&facts.machine_id, &host.name) {
            findings.push(Finding {
                host: host.name.clone(),
                message: format!("it has the same machine-id as {other}: two names for one machine, or a cloned disk"),
                remedy: "correct its address, or run `rm /etc/machine-id; systemd-machine-id-setup` on the clone and reboot it".into(),
            });
        }
    }
}
