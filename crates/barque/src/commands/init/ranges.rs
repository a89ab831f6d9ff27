//! Ranges for pods and services.

use std::net::Ipv4Addr;

use barque_spec::Outline;
use ipnet::{IpNet, Ipv4Net};

use super::fault::InitError;

/// Pods per node that a block must have room for: the default of `kubelet.maxPods`.
const PODS_PER_NODE: u32 = 110;
/// The subnet that a host's address is taken to be in as long as nobody has asked the host.
const ASSUMED_PREFIX: u8 = 24;

/// Fills in the ranges that are not given: such as collide with no network of `routed`, of the hosts, or with each other.
pub(super) fn fill(outline: &mut Outline, routed: &[IpNet]) -> Result<(), InitError> {
    if outline.pods.is_some() && outline.services.is_some() {
        return Ok(());
    }
    let mut occupied: Vec<IpNet> = routed.to_vec();
    occupied.extend(addresses(outline).into_iter().map(|address| IpNet::V4(subnet(address))));
    occupied.extend(outline.pods.into_iter().chain(outline.services).map(IpNet::V4));
    let nodes = u32::try_from(outline.nodes()).unwrap_or(u32::MAX).max(1);
    let proposal = barque_network::propose(&occupied, nodes, PODS_PER_NODE)?;
    if outline.pods.is_none() {
        (outline.pods, outline.node_prefix) = (Some(proposal.pod_cidr), Some(proposal.node_prefix));
    }
    outline.services = outline.services.or(Some(proposal.service_cidr));
    Ok(())
}

/// Every address that the outline names.
fn addresses(outline: &Outline) -> Vec<Ipv4Addr> {
    let jumps = outline.hosts.iter().filter_map(|host| host.ssh.jump.as_ref()?.address.parse().ok());
    outline.hosts.iter().map(|host| host.address).chain(outline.vip).chain(jumps).collect()
}

fn subnet(address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::new(address, ASSUMED_PREFIX).map_or_else(|_| Ipv4Net::from(address), |network| network.trunc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::Role;
    use barque_spec::parse_hosts;

    use super::*;

    fn filled(host: &str, routed: &[&str]) -> (String, String) {
        let mut outline = Outline::default();
        outline.give(Role::Master, parse_hosts(host).unwrap()).unwrap();
        let routed: Vec<IpNet> = routed.iter().map(|network| network.parse().unwrap()).collect();
        fill(&mut outline, &routed).unwrap();
        (outline.pods.unwrap().to_string(), outline.services.unwrap().to_string())
    }

    #[test]
    fn ranges_keep_clear_of_hosts_and_routes() {
        assert_eq!(filled("192.0.2.11", &[]), ("10.244.0.0/16".into(), "10.96.0.0/16".into()));
        let (pods, services) = filled("10.244.3.1", &["10.96.0.0/12"]);
        assert!(!pods.starts_with("10.244.") && !services.starts_with("10.96."), "{pods} {services}");
    }

    #[test]
    fn what_is_given_stays() {
        let given = Some("10.244.0.0/17".parse().unwrap());
        let mut outline = Outline { services: given, ..Outline::default() };
        fill(&mut outline, &[]).unwrap();
        assert_eq!(outline.services, given);
        assert!(outline.pods.is_some_and(|pods| !pods.contains(&Ipv4Addr::new(10, 244, 0, 1))));
    }
}
