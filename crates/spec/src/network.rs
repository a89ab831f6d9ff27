//! The address plan, and what it must not collide with.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use barque_model::{FlannelBackend, Network, PortRange, Role};
use barque_network::{Fault, Finding, NetworkInput, Occupant, Occupied, PodRange, Severity, USUAL_LINK_MTU, work_out};
use ipnet::Ipv4Net;

use crate::field::{Field, Text};
use crate::file_settings::NetworkEntry;
use crate::hosts::Draft;
use crate::report::{Located, Place, Report};
use crate::{cidr, labels, ports};

/// A host whose name could not be read.
const UNNAMED: &str = "unnamed";
/// Prefixes of a node's block that the schema takes.
const NODE_PREFIXES: std::ops::RangeInclusive<u8> = 9..=28;

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
    let node_prefix = entry.node_prefix.located(place);
    Ranges { pods, services, node_prefix, explicit, hosts, vip, max_pods }.check(report);
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

/// The ranges as far as they could be understood, and what is around them.
struct Ranges<'a> {
    pods: Option<Located<Ipv4Net>>,
    services: Option<Located<Ipv4Net>>,
    node_prefix: Option<Located<u8>>,
    /// The place of a range that the file names, when one of the two is a default.
    explicit: Place,
    hosts: &'a [Draft],
    vip: Option<Located<Ipv4Addr>>,
    max_pods: Option<u32>,
}

impl Ranges<'_> {
    /// Works the plan out and reports its faults, each at its place.
    fn check(&self, report: &mut Report) {
        for finding in work_out(&self.input()).findings {
            let Some(place) = self.place(&finding.fault) else { continue };
            let Finding { severity, message, hint, .. } = Finding::from(within_schema(finding.fault));
            match severity {
                Severity::Error => report.error(place, message, hint),
                Severity::Warning => report.warn(place, message, hint),
            }
        }
    }

    fn input(&self) -> NetworkInput {
        let block = |pods: Located<Ipv4Net>| self.prefix().map_or(pods.value.prefix_len(), |prefix| prefix.value);
        let pods = self.pods.map(|pods| PodRange { range: pods.value.into(), node_prefix: block(pods) });
        let hosts = self.hosts.iter().filter_map(|host| {
            let name = host.name.as_ref().map_or_else(|| UNNAMED.parse().ok(), |name| Some(name.value.clone()));
            Some(Occupied::address(host.address?.value.into(), Occupant::Host { host: name? }))
        });
        let nodes = self.hosts.iter().filter(|host| host.has(Role::Master) || host.has(Role::Node)).count();
        NetworkInput {
            pods: pods.into_iter().collect(),
            services: self.services.iter().map(|services| services.value.into()).collect(),
            // Ports have rules of their own, and the MTU of the hosts' link is not known from the file.
            node_ports: PortRange { first: 30000, last: 32767 },
            backend: FlannelBackend::HostGw,
            pod_mtu: None,
            link_mtu: USUAL_LINK_MTU,
            max_pods: self.max_pods.unwrap_or_default(),
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            occupied: hosts.chain(self.vip.map(|vip| Occupied::address(vip.value.into(), Occupant::Vip))).collect(),
        }
    }

    /// The prefix, unless the schema has refused it.
    fn prefix(&self) -> Option<Located<u8>> {
        self.node_prefix.filter(|prefix| NODE_PREFIXES.contains(&prefix.value))
    }

    /// Where a fault is reported; `None` for what follows from another fault only.
    fn place(&self, fault: &Fault) -> Option<Place> {
        match fault {
            Fault::Collision { sides, .. } => match &sides.other.occupant {
                Occupant::Host { host } => {
                    let named = |draft: &&Draft| draft.name.as_ref().is_none_or(|name| name.value == *host);
                    let on_it = |draft: &&Draft| draft.address.as_ref().is_some_and(|address| sides.other.network.addr() == address.value);
                    self.hosts.iter().filter(named).find(on_it)?.address.as_ref().map(|address| address.place)
                }
                Occupant::Vip => self.vip.as_ref().map(|vip| vip.place),
                Occupant::Pods | Occupant::Services => Some(self.explicit),
                _ if sides.chosen.occupant == Occupant::Pods => self.pods.map(|pods| pods.place),
                _ => self.services.map(|services| services.place),
            },
            Fault::Blocks { .. } | Fault::TooFewBlocks { .. } | Fault::SmallBlocks { .. } => self.prefix().map(|prefix| prefix.place),
            Fault::ServicePrefix { .. } => self.services.map(|services| services.place),
            Fault::Families { .. }
            | Fault::FamiliesDiffer { .. }
            | Fault::NodePortTaken { .. }
            | Fault::NodePortsEphemeral { .. }
            | Fault::Mtu { .. }
            | Fault::Ipv6 => None,
        }
    }
}

/// The same fault, proposing only prefixes that the schema takes.
fn within_schema(fault: Fault) -> Fault {
    match fault {
        Fault::Blocks { range, node_prefix, possible } => {
            let possible = possible.map(|(shortest, longest)| (shortest.max(*NODE_PREFIXES.start()), longest.min(*NODE_PREFIXES.end())));
            Fault::Blocks { range, node_prefix, possible: possible.filter(|(shortest, longest)| shortest <= longest) }
        }
        other => other,
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
