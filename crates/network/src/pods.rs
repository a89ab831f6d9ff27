//! The pod range, cut into one block per node.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::range::{Count, Family, first};

/// A node's prefix may be at most this much longer than the pod range's.
///
/// kube-controller-manager refuses more for IPv6 (`clusterSubnetMaxDiff`, pkg/controller/nodeipam/ipam/cidrset), and kubeadm for
/// both families (`PodSubnetNodeMaskMaxDiff`): every block is a bit of an uncompressed bitmap.
pub const MAX_BLOCK_BITS: u8 = 16;

/// Addresses of an IPv4 block that no pod gets: the network's, which flannel's VXLAN device has; the first, which the pods' bridge
/// has; and broadcast (containernetworking/plugins, host-local, allocator/range.go: `RangeStart`, `Gateway`, `lastIP`).
pub const RESERVED_V4: u128 = 3;
/// The same for IPv6, which has no broadcast address.
pub const RESERVED_V6: u128 = 2;

/// host-local refuses blocks with fewer than this many bits for hosts ("too small to allocate from").
pub const MIN_HOST_BITS: u8 = 2;

/// A pod range and the length of its nodes' prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRange {
    /// The range.
    pub range: IpNet,
    /// Prefix length of a node's block.
    pub node_prefix: u8,
}

/// What a pod range gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodPlan {
    /// Its family.
    pub family: Family,
    /// The range.
    pub range: IpNet,
    /// Prefix length of a node's block.
    pub node_prefix: u8,
    /// Blocks, each for a node: 2^(node prefix - prefix). 0 when no block can be cut.
    pub nodes: Count,
    /// Addresses of a block: 2^(bits - node prefix).
    pub addresses_per_node: Count,
    /// Addresses of a block that a host could have: without the network's and, with IPv4, the broadcast address.
    pub usable_addresses_per_node: Count,
    /// Addresses of a block that pods get: without the bridge's own, too.
    pub pods_per_node: Count,
    /// Nodes that can still come; 0 when there are more than blocks.
    pub nodes_left: Count,
    /// The first block.
    pub first_block: Option<IpNet>,
    /// The address of the bridge in the first block.
    pub first_bridge: Option<IpAddr>,
}

impl PodRange {
    /// Whether Kubernetes and host-local can cut blocks like this.
    pub fn is_possible(self) -> bool {
        self.possible_prefixes().contains(&self.node_prefix)
    }

    /// The prefixes that a block can have; empty when the range is too small for any.
    pub fn possible_prefixes(self) -> std::ops::RangeInclusive<u8> {
        let shortest = self.range.prefix_len();
        let longest = Family::of(self.range).bits() - MIN_HOST_BITS;
        shortest.max(1)..=shortest.saturating_add(MAX_BLOCK_BITS).min(longest)
    }

    /// Works it out for `nodes` nodes.
    pub fn plan(self, nodes: u32) -> PodPlan {
        let Self { range, node_prefix } = self;
        let family = Family::of(range);
        let possible = node_prefix >= range.prefix_len() && node_prefix <= family.bits();
        let blocks = if possible { Count::power(node_prefix - range.prefix_len()) } else { Count(0) };
        let addresses = if possible { Count::power(family.bits() - node_prefix) } else { Count(0) };
        let (unusable, reserved) = match family {
            Family::V4 => (2, RESERVED_V4),
            Family::V6 => (1, RESERVED_V6),
        };
        PodPlan {
            family,
            range,
            node_prefix,
            nodes: blocks,
            addresses_per_node: addresses,
            usable_addresses_per_node: addresses.less(unusable),
            pods_per_node: addresses.less(reserved),
            nodes_left: blocks.less(u128::from(nodes)),
            first_block: possible.then(|| family.range(first(range), node_prefix)).flatten(),
            first_bridge: (possible && addresses.0 > 1).then(|| family.address(first(range) + 1)),
        }
    }
}

impl PodPlan {
    /// Pods that a node can run when kubelet allows `max_pods`.
    pub fn pods_on_a_node(&self, max_pods: u32) -> Count {
        self.pods_per_node.min(Count(u128::from(max_pods)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::range::last;

    fn plan(range: &str, node_prefix: u8, nodes: u32) -> PodPlan {
        PodRange { range: range.parse().unwrap(), node_prefix }.plan(nodes)
    }

    #[test]
    fn the_articles_figures() {
        let plan = plan("192.168.0.0/16", 26, 7);
        assert_eq!((plan.nodes, plan.addresses_per_node, plan.nodes_left), (Count(1024), Count(64), Count(1017)));
        assert_eq!((plan.usable_addresses_per_node, plan.pods_per_node), (Count(62), Count(61)));
        assert_eq!(plan.first_block.unwrap().to_string(), "192.168.0.0/26");
        assert_eq!(plan.first_bridge.unwrap().to_string(), "192.168.0.1");
        assert_eq!(plan.pods_on_a_node(110), Count(61));
    }

    #[test]
    fn ipv6_has_no_broadcast() {
        let plan = plan("fd00:10:244::/56", 64, 1);
        assert_eq!((plan.nodes, plan.nodes_left), (Count(256), Count(255)));
        assert_eq!(plan.pods_per_node.to_string(), "2^64 - 2");
        assert_eq!(plan.pods_on_a_node(110), Count(110));
    }

    #[test]
    fn impossible_blocks_have_nothing() {
        let plan = plan("10.0.0.0/16", 15, 1);
        assert_eq!((plan.nodes, plan.pods_per_node, plan.first_block), (Count(0), Count(0), None));
        let possible = |range: &str| PodRange { range: range.parse().unwrap(), node_prefix: 24 }.possible_prefixes();
        assert_eq!((possible("10.0.0.0/8"), possible("10.0.0.0/20")), (8..=24, 20..=30));
        assert!(possible("10.0.0.0/31").is_empty());
        assert_eq!(possible("fd00::/48"), 48..=64);
    }

    proptest! {
        /// Cuts the range by walking over every address, as a host would see them.
        #[test]
        fn blocks_match_the_oracle(family in prop_oneof![Just(Family::V4), Just(Family::V6)], low: u16, range_bits in 2_u8..=12, block_bits in 0_u8..=12, nodes in 0_u32..5000) {
            let range = family.range(0x0a00_0000 + u128::from(low), family.bits() - range_bits).unwrap();
            let plan = PodRange { range, node_prefix: family.bits() - block_bits }.plan(nodes);
            let mut blocks = Vec::new();
            let mut address = first(range);
            while block_bits <= range_bits && address <= last(range) {
                blocks.push(family.range(address, family.bits() - block_bits).unwrap());
                address = last(*blocks.last().unwrap()) + 1;
            }
            prop_assert_eq!(plan.nodes.0, blocks.len() as u128);
            prop_assert_eq!(plan.nodes_left.0, (blocks.len() as u128).saturating_sub(u128::from(nodes)));
            prop_assert_eq!(plan.first_block, blocks.first().copied());
            if let Some(block) = blocks.first() {
                let addresses: Vec<u128> = (first(*block)..=last(*block)).collect();
                // host-local: from the second address (the gateway, left out) to the last but broadcast.
                let end = if family == Family::V4 { last(*block).saturating_sub(1) } else { last(*block) };
                let pods = addresses.iter().filter(|address| **address > first(*block) + 1 && **address <= end).count();
                prop_assert_eq!(plan.addresses_per_node.0, addresses.len() as u128);
                prop_assert_eq!(plan.pods_per_node.0, pods as u128);
            }
        }
    }
}
