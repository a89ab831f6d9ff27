//! How far a cluster can grow with its ranges, and what can still be changed.
//!
//! A node's block is set once (the API server lets `podCIDR` of a Node change from empty only), and blocks of one range have one
//! length, so the pod range and its node prefix are chosen before the first deployment. A service range is added later by a
//! `ServiceCIDR` object, without a restart, from Kubernetes 1.33 on (KEP-1880).

use ipnet::IpNet;
use serde::Serialize;

use crate::input::NetworkInput;
use crate::occupant::{Occupant, Occupied, collisions, special};
use crate::pods::{PodPlan, PodRange};
use crate::proposals::Proposals;
use crate::propose::{Purpose, is_private};
use crate::range::{Count, Family, overlap};

/// Room that is left, and how there is more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// Nodes now.
    pub nodes: u32,
    /// Nodes at most: with two pod ranges, what the smaller one allows.
    pub nodes_at_most: Count,
    /// Nodes that can still come.
    pub nodes_left: Count,
    /// Pods at most, on all nodes that there can be.
    pub pods_at_most: Count,
    /// Pod ranges with room for twice as many nodes, to be chosen before the first deployment.
    pub wider_pods: Vec<WiderPods>,
    /// Ranges that can be added as `ServiceCIDR` objects.
    pub more_services: Vec<IpNet>,
}

/// A pod range with more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WiderPods {
    /// The range.
    pub range: IpNet,
    /// Nodes that it has blocks for.
    pub nodes: Count,
}

/// Works the room out.
pub(crate) fn growth(input: &NetworkInput, pods: &[PodPlan]) -> Growth {
    let nodes_at_most = pods.iter().map(|pods| pods.nodes).min().unwrap_or(Count(0));
    let per_node = pods.iter().map(|pods| pods.pods_on_a_node(input.max_pods)).min().unwrap_or(Count(0));
    let mut proposals = Proposals::new(input);
    Growth {
        nodes: input.nodes,
        nodes_at_most,
        nodes_left: nodes_at_most.less(u128::from(input.nodes)),
        pods_at_most: Count(nodes_at_most.0.saturating_mul(per_node.0)),
        wider_pods: input.pods.iter().filter_map(|pods| wider(input, *pods, &mut proposals)).collect(),
        more_services: input
            .services
            .iter()
            .filter_map(|services| proposals.more(Family::of(*services), services.prefix_len(), Purpose::Services))
            .collect(),
    }
}

/// The range's own double, else a free range of that size.
fn wider(input: &NetworkInput, pods: PodRange, proposals: &mut Proposals) -> Option<WiderPods> {
    let family = Family::of(pods.range);
    let prefix = pods.range.prefix_len().checked_sub(1)?;
    let with = |range| PodRange { range, node_prefix: pods.node_prefix };
    let range = double(input, pods.range, prefix).or_else(|| proposals.more(family, prefix, Purpose::Pods))?;
    with(range).is_possible().then(|| WiderPods { range, nodes: with(range).plan(0).nodes })
}

/// The range's own double, where it is private and nothing is in its way.
fn double(input: &NetworkInput, range: IpNet, prefix: u8) -> Option<IpNet> {
    let double = IpNet::new(range.addr(), prefix).ok()?.trunc();
    let others: Vec<Occupied> = input.occupied.iter().cloned().chain(special()).collect();
    let is_free = collisions(&[Occupied::new(double, Occupant::Pods)], &others).is_empty()
        && !input.services.iter().any(|services| overlap(*services, double));
    (is_free && is_private(double)).then_some(double)
}
