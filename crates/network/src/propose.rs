//! Ranges that collide with nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::occupant::DOCKER_BRIDGE;
use crate::pods::{MAX_BLOCK_BITS, RESERVED_V4};
use crate::range::{Family, first, last, overlap};

/// Prefix of a node's block that is proposed, unless more pods are wished for: 253 pods.
const USUAL_BLOCK: u8 = 24;
/// Blocks that are proposed at least.
const USUAL_BLOCKS: u32 = 256;
/// Prefix of the service range that is proposed where there is room: 65534 services.
const USUAL_SERVICES: u8 = 16;
/// The smallest service range that is proposed: 254 services.
const SMALLEST_SERVICES: u8 = 24;
/// The largest pod range that is proposed.
const LARGEST_PODS: u8 = 8;

/// Where free IPv4 ranges are looked for, in this order: flannel's and kubeadm's usual ranges first, then the private ranges
/// (RFC 1918), then carriers' shared range (RFC 6598).
const SPACE_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// Where free IPv6 ranges are looked for: unique local addresses (RFC 4193).
const SPACE_V6: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 48),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Where free IPv6 service ranges are looked for first, as kubeadm's and kind's examples have them.
const SERVICES_V6: [Ipv6Net; 1] = [Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 48)];

/// Ranges for a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Range of pod addresses.
    pub pod_cidr: Ipv4Net,
    /// Prefix length of a node's block.
    pub node_prefix: u8,
    /// Range of service addresses.
    pub service_cidr: Ipv4Net,
}

/// No ranges are free that are large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no private range is free for {nodes} nodes with {pods_per_node} pods each and their services")]
pub struct NoFreeRange {
    /// Nodes wished for.
    pub nodes: u32,
    /// Pods per node wished for.
    pub pods_per_node: u32,
}

impl NoFreeRange {
    /// What to do.
    pub const fn hint(&self) -> &'static str {
        "ask for fewer nodes or pods, or work ranges out by hand: `barque network --pod-cidr RANGE --node-prefix N --service-cidr RANGE`"
    }
}

/// IPv4 ranges for `nodes` nodes with `pods_per_node` pods each that share no address with `occupied`, with Docker's usual bridge or
/// with each other.
///
/// There is room for twice as many nodes, and for 256 at least, where so much is free; the exact need otherwise. The same input gives
/// the same ranges. Ranges of IPv6 in `occupied` count for nothing, and neither does a default route.
pub fn propose(occupied: &[IpNet], nodes: u32, pods_per_node: u32) -> Result<Proposal, NoFreeRange> {
    let none = NoFreeRange { nodes, pods_per_node };
    let exact = block_prefix(pods_per_node).ok_or(none)?;
    let usual = exact.min(USUAL_BLOCK);
    let wishes = [(usual, nodes.saturating_mul(2).max(USUAL_BLOCKS)), (usual, nodes), (exact, nodes)];
    for (node_prefix, blocks) in wishes {
        let Some(prefix) = pod_prefix(node_prefix, blocks) else { continue };
        let Some(pods) = free_range(Family::V4, prefix, Purpose::Pods, occupied).and_then(v4) else { continue };
        let mut occupied = occupied.to_vec();
        occupied.push(pods.into());
        let services = (USUAL_SERVICES..=SMALLEST_SERVICES)
            .find_map(|prefix| free_range(Family::V4, prefix, Purpose::Services, &occupied).and_then(v4));
        if let Some(service_cidr) = services {
            return Ok(Proposal { pod_cidr: pods, node_prefix, service_cidr });
        }
    }
    Err(none)
}

/// What a range is for; services are looked for beside the usual pod range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Pods.
    Pods,
    /// Services.
    Services,
}

/// The first range with this prefix that shares no address with `occupied` nor with Docker's usual bridge.
///
/// IPv4 ranges are private ones, IPv6 ranges unique local ones. `None` when nothing is free.
pub fn free_range(family: Family, prefix: u8, purpose: Purpose, occupied: &[IpNet]) -> Option<IpNet> {
    let docker = [IpNet::V4(DOCKER_BRIDGE)];
    // A default route says that packets have a way out, not that the addresses are taken here.
    let occupied = || occupied.iter().chain(&docker).copied().filter(|network| network.prefix_len() > 0);
    spaces(family, purpose).into_iter().find_map(|space| first_free(space, prefix, occupied))
}

fn spaces(family: Family, purpose: Purpose) -> Vec<IpNet> {
    match (family, purpose) {
        (Family::V4, Purpose::Pods) => SPACE_V4.into_iter().map(IpNet::V4).collect(),
        (Family::V6, Purpose::Pods) => SPACE_V6.into_iter().map(IpNet::V6).collect(),
        (Family::V4, Purpose::Services) => SPACE_V4[1..].iter().copied().map(IpNet::V4).collect(),
        (Family::V6, Purpose::Services) => SERVICES_V6.into_iter().chain(SPACE_V6).map(IpNet::V6).collect(),
    }
}

/// Whether all addresses of a range are private ones.
pub(crate) fn is_private(range: IpNet) -> bool {
    spaces(Family::of(range), Purpose::Pods).iter().any(|space| space.contains(&range))
}

fn first_free<I: Iterator<Item = IpNet>>(space: IpNet, prefix: u8, occupied: impl Fn() -> I) -> Option<IpNet> {
    let family = Family::of(space);
    if prefix < space.prefix_len() {
        return None;
    }
    let mut candidate = family.range(first(space), prefix)?;
    loop {
        let Some(taken) = occupied().find(|taken| overlap(*taken, candidate)) else { return Some(candidate) };
        // The next aligned candidate behind what is in the way.
        let behind = last(taken).max(last(candidate)).checked_add(1)?;
        if behind > last(space) {
            return None;
        }
        candidate = family.range(behind, prefix)?;
        if first(candidate) < behind {
            candidate = family.range(last(candidate).checked_add(1)?, prefix)?;
        }
        if !space.contains(&candidate) {
            return None;
        }
    }
}

/// The longest prefix whose block has an address for each of `pods`.
fn block_prefix(pods: u32) -> Option<u8> {
    let bits = u64::from(pods.max(1)).checked_add(u64::try_from(RESERVED_V4).ok()?)?.next_power_of_two().trailing_zeros();
    32_u8.checked_sub(u8::try_from(bits).ok()?)
}

/// The longest prefix of a range that holds `blocks` blocks, within what Kubernetes and private ranges allow.
fn pod_prefix(node_prefix: u8, blocks: u32) -> Option<u8> {
    let bits = u8::try_from(blocks.max(1).checked_next_power_of_two()?.trailing_zeros()).ok()?;
    node_prefix.checked_sub(bits).filter(|prefix| bits <= MAX_BLOCK_BITS && *prefix >= LARGEST_PODS)
}

fn v4(range: IpNet) -> Option<Ipv4Net> {
    match range {
        IpNet::V4(range) => Some(range),
        IpNet::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn ranges(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn shown(occupied: &[&str], nodes: u32, pods: u32) -> String {
        match propose(&ranges(occupied), nodes, pods) {
            Ok(proposal) => format!("{} /{} {}", proposal.pod_cidr, proposal.node_prefix, proposal.service_cidr),
            Err(none) => none.to_string(),
        }
    }

    #[test]
    fn the_usual_ranges_are_proposed_when_they_are_free() {
        assert_eq!(shown(&["192.0.2.0/24", "0.0.0.0/0"], 7, 110), "10.244.0.0/16 /24 10.96.0.0/16");
        assert_eq!(shown(&["10.244.3.0/24"], 7, 110), "10.96.0.0/16 /24 10.97.0.0/16");
        assert_eq!(shown(&["10.0.0.0/8"], 7, 110), "172.16.0.0/16 /24 172.18.0.0/16");
        assert_eq!(shown(&["10.0.0.0/8", "172.16.0.0/12"], 7, 110), "192.168.0.0/16 /24 100.64.0.0/16");
    }

    #[test]
    fn growth_is_given_up_before_the_cluster_is() {
        let taken = ["10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "192.168.0.0/17", "192.168.128.0/18"];
        assert_eq!(shown(&taken, 20, 100), "192.168.192.0/19 /24 192.168.224.0/19");
        assert_eq!(
            shown(&["10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10"], 200, 250),
            "no private range is free for 200 nodes with 250 pods each and their services"
        );
        assert_eq!(shown(&[], 3000, 500), "10.0.0.0/10 /23 10.96.0.0/16");
        assert_eq!(shown(&[], 5000, 110), "10.0.0.0/10 /24 10.96.0.0/16");
        assert!(propose(&[], u32::MAX, u32::MAX).is_err());
        assert!(propose(&[], 100, 0).is_ok());
    }

    #[test]
    fn ipv6_ranges_are_local_ones() {
        assert_eq!(free_range(Family::V6, 56, Purpose::Pods, &[]).unwrap().to_string(), "fd00:10:244::/56");
        assert_eq!(free_range(Family::V6, 56, Purpose::Pods, &ranges(&["fd00:10:244::/57"])).unwrap().to_string(), "fd00:10:244:100::/56");
        assert_eq!(free_range(Family::V6, 16, Purpose::Pods, &ranges(&["fd00::/16"])).unwrap().to_string(), "fd01::/16");
        assert_eq!(free_range(Family::V6, 7, Purpose::Pods, &[]), None);
        assert_eq!(free_range(Family::V6, 112, Purpose::Services, &[]).unwrap().to_string(), "fd00:10:96::/112");
        assert!(is_private("10.244.0.0/15".parse().unwrap()) && !is_private("192.168.0.0/15".parse().unwrap()));
    }

    /// A /24 as 256 flags, and a range found by trying each.
    fn oracle(occupied: &[IpNet], prefix: u8) -> Option<IpNet> {
        let base = u128::from(Ipv4Addr::new(10, 0, 0, 0).to_bits());
        let free = |address: u128| !occupied.iter().any(|network| (first(*network)..=last(*network)).contains(&address));
        let size = 1_u128 << (32 - prefix);
        (0..256 / size)
            .map(|index| base + index * size)
            .find(|start| (*start..start + size).all(free))
            .and_then(|start| Family::V4.range(start, prefix))
    }

    proptest! {
        #[test]
        fn the_first_free_range_is_found(taken in prop::collection::vec((0_u32..256, 25_u8..=32), 0..12), prefix in 24_u8..=32) {
            let taken: Vec<IpNet> =
                taken.into_iter().map(|(low, prefix)| Family::V4.range(0x0a00_0000 + u128::from(low), prefix).unwrap()).collect();
            let found = first_free("10.0.0.0/24".parse().unwrap(), prefix, || taken.iter().copied());
            prop_assert_eq!(found, oracle(&taken, prefix));
        }

        #[test]
        fn proposals_collide_with_nothing_and_suffice(
            taken in prop::collection::vec((any::<u32>(), 8_u8..=32), 0..20),
            nodes in 1_u32..5000,
            pods in 1_u32..1000,
        ) {
            let taken: Vec<IpNet> = taken.into_iter().map(|(bits, prefix)| Family::V4.range(u128::from(bits), prefix).unwrap()).collect();
            if let Ok(proposal) = propose(&taken, nodes, pods) {
                let (pod_range, services) = (IpNet::V4(proposal.pod_cidr), IpNet::V4(proposal.service_cidr));
                prop_assert!(!overlap(pod_range, services));
                prop_assert!(taken.iter().all(|taken| !overlap(*taken, pod_range) && !overlap(*taken, services)));
                prop_assert!(1_u64 << (proposal.node_prefix - proposal.pod_cidr.prefix_len()) >= u64::from(nodes));
                prop_assert!((1_u64 << (32 - proposal.node_prefix)) - 3 >= u64::from(pods));
                prop_assert!(proposal.pod_cidr.trunc() == proposal.pod_cidr && proposal.service_cidr.trunc() == proposal.service_cidr);
            }
        }
    }
}
