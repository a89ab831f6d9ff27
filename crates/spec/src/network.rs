//! The address plan, and what it must not collide with.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use barque_model::{Network, PortRange};
use ipnet::Ipv4Net;

use crate::field::{Field, Text};
use crate::file_settings::NetworkEntry;
use crate::hosts::Draft;
use crate::report::{Located, Place, Report};
use crate::{cidr, labels, ports};

/// A node's block may be at most this much longer than the pod range's prefix (kube-controller-manager refuses more).
const MAX_BLOCK_BITS: u8 = 16;
/// Shortest prefix of the service range that kube-apiserver accepts.
const MIN_SERVICE_PREFIX: u8 = 12;
/// Longest prefix of the service range in which the tenth address (DNS) still is a host address.
const MAX_SERVICE_PREFIX: u8 = 28;
/// Addresses of a block that no pod gets: network, broadcast and the bridge's own.
const RESERVED_PER_BLOCK: u32 = 3;

/// Understands `spec.network` and checks it against hosts, VIP and ports.
pub(crate) fn resolve(
    section: Located<NetworkEntry>,
    hosts: &[Draft],
    vip: Option<Located<Ipv4Addr>>,
    balancer_port: Option<Located<u16>>,
    max_pods: Option<u32>,
    report: &mut Report,
) -> Option<Network> {
    let Located { value: entry, place } = section;
    let explicit = entry.service_cidr.place.or(entry.pod_cidr.place).unwrap_or(place);
    let pods = entry.pod_cidr.located(place).and_then(|text| range(&text, report));
    let services = entry.service_cidr.located(place).and_then(|text| range(&text, report));
    for (range, name) in [(pods, "pod"), (services, "service")] {
        if let Some(range) = range {
            check_usable(range, name, report);
            check_hosts(range.value, name, hosts, vip, report);
        }
    }
    if let (Some(pods), Some(services)) = (pods, services)
        && cidr::overlap(pods.value, services.value)
    {
        let message = format!("the pod range {} and the service range {} overlap", pods.value, services.value);
        report.error(explicit, message, "choose two ranges that share no address, such as 10.244.0.0/16 and 10.96.0.0/16");
    }
    if let Some(services) = services {
        check_service_prefix(services, report);
    }
    let node_prefix = entry.node_prefix.located(place);
    if let (Some(pods), Some(prefix)) = (pods, node_prefix) {
        check_blocks(pods.value, prefix, hosts, max_pods, report);
    }
    let node_ports = node_ports(entry.node_ports, place, hosts, balancer_port, report);
    let dns_domain = entry.dns_domain.located(place).and_then(|domain| dns_domain(domain, report));
    let flannel = entry.flannel.section(place)?.value;
    Some(Network {
        pod_cidr: pods?.value,
        node_prefix: node_prefix?.value,
        service_cidr: services?.value,
        node_ports: node_ports?,
        dns_domain: dns_domain?,
        flannel_backend: flannel.backend.value?.into(),
        mtu: flannel.mtu.value,
        kube_proxy_mode: entry.kube_proxy_mode.value?.into(),
    })
}

fn range(text: &Located<String>, report: &mut Report) -> Option<Located<Ipv4Net>> {
    match cidr::parse(&text.value) {
        Ok(value) => Some(Located { value, place: text.place }),
        Err(error) => {
            report.error(text.place, error.to_string(), error.hint());
            None
        }
    }
}

/// Ranges that no pod or service can be reached in (RFC 6890).
fn check_usable(range: Located<Ipv4Net>, name: &str, report: &mut Report) {
    let special = [
        (Ipv4Addr::UNSPECIFIED, 8, "this network"),
        (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
        (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
        (Ipv4Addr::new(224, 0, 0, 0), 3, "multicast and reserved"),
    ];
    for (address, prefix, meaning) in special {
        if Ipv4Net::new(address, prefix).is_ok_and(|other| cidr::overlap(range.value, other)) {
            let message = format!("the {name} range {} contains addresses of {address}/{prefix} ({meaning})", range.value);
            report.error(range.place, message, "choose a private range (RFC 1918), such as 10.244.0.0/16");
        }
    }
}

fn check_hosts(range: Ipv4Net, name: &str, hosts: &[Draft], vip: Option<Located<Ipv4Addr>>, report: &mut Report) {
    let field = if name == "pod" { "spec.network.podCidr" } else { "spec.network.serviceCidr" };
    let hint = format!("set `{field}` to a range in which no host lies");
    for host in hosts {
        if let Some(address) = host.address.filter(|address| range.contains(&address.value)) {
            let message = format!("address {} of host `{}` lies in the {name} range {range}", address.value, host.label());
            report.error(address.place, message, hint.as_str());
        }
    }
    if let Some(vip) = vip.filter(|vip| range.contains(&vip.value)) {
        report.error(vip.place, format!("the VIP {} lies in the {name} range {range}", vip.value), hint);
    }
}

fn check_service_prefix(services: Located<Ipv4Net>, report: &mut Report) {
    let prefix = services.value.prefix_len();
    if !(MIN_SERVICE_PREFIX..=MAX_SERVICE_PREFIX).contains(&prefix) {
        let message = format!("the service range {} has a prefix of {prefix}", services.value);
        report.error(services.place, message, format!("use a prefix from {MIN_SERVICE_PREFIX} to {MAX_SERVICE_PREFIX}, such as 16"));
    }
}

fn check_blocks(pods: Ipv4Net, prefix: Located<u8>, hosts: &[Draft], max_pods: Option<u32>, report: &mut Report) {
    let first = pods.prefix_len();
    // The schema has refused other prefixes.
    if !(9..=28).contains(&prefix.value) {
        return;
    }
    if prefix.value < first || prefix.value - first > MAX_BLOCK_BITS {
        let (from, to) = (first.max(9), (first + MAX_BLOCK_BITS).min(28));
        let message = format!("node blocks of /{} cannot be cut from the pod range {pods}", prefix.value);
        let hint = if from > to {
            format!("make the pod range larger; a prefix of {first} leaves no room for blocks")
        } else {
            format!("set `nodePrefix` from {from} to {to}, or change `podCidr`")
        };
        report.error(prefix.place, message, hint);
        return;
    }
    let nodes = hosts.iter().filter(|host| host.has(barque_model::Role::Master) || host.has(barque_model::Role::Node)).count();
    let blocks = 1_usize << (prefix.value - first);
    if nodes > blocks {
        let message = format!("{nodes} hosts need a block of /{} each, and the pod range {pods} has {blocks}", prefix.value);
        report.error(prefix.place, message, "make `podCidr` larger or `nodePrefix` longer");
    }
    let room = (1_u32 << (32 - prefix.value)) - RESERVED_PER_BLOCK;
    if max_pods.is_some_and(|pods| pods > room) {
        let message = format!("a block of /{} has addresses for {room} pods, fewer than `kubelet.maxPods`", prefix.value);
        report.warn(prefix.place, message, format!("set `spec.kubelet.maxPods` to {room} or less, or `nodePrefix` to a smaller number"));
    }
}

fn node_ports(
    field: Field<Text>,
    parent: Place,
    hosts: &[Draft],
    balancer_port: Option<Located<u16>>,
    report: &mut Report,
) -> Option<PortRange> {
    let text = field.located(parent)?;
    let range = match ports::range(&text.value.0) {
        Ok(range) => range,
        Err(fault) => {
            report.error(text.place, format!("`{}` {fault}", text.value.0), "write first and last port, such as 30000-32767");
            return None;
        }
    };
    for (port, component, usage) in ports::USED {
        if ports::contains(range, port) {
            let message = format!("the node ports {range} contain port {port}, which {component} uses ({usage})");
            report.error(text.place, message, "choose a range without it, such as 30000-32767");
        }
    }
    let mut reported = BTreeSet::new();
    for host in hosts {
        if let Some(ssh) = host.ssh.as_ref().filter(|ssh| ports::contains(range, ssh.port) && reported.insert(ssh.port)) {
            let message = format!("the node ports {range} contain port {}, the SSH port of host `{}`", ssh.port, host.label());
            report.error(text.place, message, "choose a range without it, such as 30000-32767");
        }
    }
    if let Some(port) = balancer_port.filter(|port| ports::contains(range, port.value)) {
        let message = format!("the load balancer's port {} lies in the node ports {range}", port.value);
        report.error(port.place, message, "use 6443, or another port outside the node ports");
    }
    Some(range)
}

fn dns_domain(domain: Located<String>, report: &mut Report) -> Option<String> {
    if labels::is_dns_name(&domain.value) {
        return Some(domain.value);
    }
    let message = format!("`{}` is not a DNS domain", domain.value);
    report.error(domain.place, message, "use labels of a-z, 0-9 and `-` with dots between them, such as cluster.local");
    None
}
