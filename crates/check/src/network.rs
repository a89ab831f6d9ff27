//! Addresses, routes, DNS servers.

use std::net::IpAddr;

use barque_model::{Component, Role};
use barque_plan::InterfaceAddress;
use ipnet::{IpNet, Ipv4Net};

use crate::evaluate::HostView;
use crate::inspection::Route;
use crate::{CheckId, Finding};

/// Interfaces that flannel and the CNI plugins make.
const OWN_INTERFACES: [&str; 2] = ["cni0", "flannel."];

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    addresses(view, findings);
    routes(view, findings);
    for resolver in &view.inspection.resolvers {
        if resolver.answers == Some(false) {
            findings.push(view.finding(
                CheckId::DnsServer,
                format!("the DNS server {} of /etc/resolv.conf does not answer", resolver.address),
                format!("remove `nameserver {}` from /etc/resolv.conf, or from what writes that file", resolver.address),
            ));
        }
    }
}

fn addresses(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let (host, facts) = (view.host, &view.inspection.facts);
    let carriers: Vec<&str> =
        facts.addresses.iter().filter(|found| found.address == host.address).map(|found| found.interface.as_str()).collect();
    match carriers.as_slice() {
        [] => {
            let own: Vec<String> =
                facts.addresses.iter().filter(|found| !found.address.is_loopback()).map(|found| found.address.to_string()).collect();
            findings.push(view.finding(
                CheckId::HostAddress,
                format!("none of its interfaces has the address {}; it has {}", host.address, own.join(", ")),
                format!("set `address` of host {} in the cluster file to one of them", host.name),
            ));
        }
        [_] => {}
        several => findings.push(view.finding(
            CheckId::AmbiguousInterface,
            format!("several interfaces have the address {}: {}", host.address, several.join(", ")),
            format!("take it off all but one: `ip address del {}/PREFIX dev INTERFACE`", host.address),
        )),
    }
    let Some(balancer) = view.cluster.load_balancer.as_ref().filter(|_| host.has(Role::LoadBalancer)) else { return };
    match &balancer.interface {
        Some(name) if !facts.addresses.iter().any(|found| found.interface == *name) => findings.push(view.finding(
            CheckId::BalancerInterface,
            format!("it has no interface `{name}` with an address"),
            "correct `spec.loadBalancer.interface`, or leave it out",
        )),
        Some(_) => {}
        None => {
            let mut fitting: Vec<&str> = facts
                .addresses
                .iter()
                .filter(|found| found.address != balancer.vip && subnet(found).is_some_and(|subnet| subnet.contains(&balancer.vip)))
                .map(|found| found.interface.as_str())
                .collect();
            fitting.sort_unstable();
            fitting.dedup();
            if fitting.len() > 1 {
                findings.push(view.finding(
                    CheckId::AmbiguousInterface,
                    format!("the VIP {} lies in the subnets of several interfaces: {}", balancer.vip, fitting.join(", ")),
                    "name the right one in `spec.loadBalancer.interface`",
                ));
            }
        }
    }
}

fn subnet(found: &InterfaceAddress) -> Option<IpNet> {
    IpNet::new(found.address, found.prefix).ok()
}

fn routes(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let routes = &view.inspection.routes;
    if view.host.is_node() && view.host.address.is_ipv4() && !routes.iter().any(|route| route.destination.prefix_len() == 0) {
        findings.push(view.finding(
            CheckId::DefaultRoute,
            "it has no default route, so its programs could not reach service addresses",
            "add one with `ip route add default via GATEWAY` and in the network configuration of the host",
        ));
    }
    let network = &view.cluster.network;
    let ranges = [("pods", "podCidr", network.pod_cidr), ("services", "serviceCidr", network.service_cidr)];
    for (what, field, range) in ranges {
        let overlapping = routes.iter().filter(|route| route.destination.prefix_len() > 0 && overlap(route.destination, range));
        for route in overlapping.filter(|route| !is_own(view, route)) {
            let via = route.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
            findings.push(view.finding(
                CheckId::RouteOverlap,
                format!("it routes {}{via} by {}, which overlaps the range of {what}, {range}", route.destination, route.interface),
                format!("choose another `spec.network.{field}`, or remove the route: `ip route del {}`", route.destination),
            ));
        }
    }
}

fn overlap(left: Ipv4Net, right: Ipv4Net) -> bool {
    left.contains(&right) || right.contains(&left)
}

/// Whether flannel has made the route: to the bridge or the tunnel, or to another host of the cluster.
fn is_own(view: &HostView<'_>, route: &Route) -> bool {
    if !view.inspection.managed.has_unit(&Component::Flanneld.unit()) {
        return false;
    }
    let gateway = route.gateway.map(IpAddr::V4);
    OWN_INTERFACES.iter().any(|prefix| route.interface.starts_with(prefix))
        || gateway.is_some_and(|gateway| view.cluster.hosts.iter().any(|host| host.address == gateway))
}
