//! Finds what is wrong with a network plan.

use ipnet::IpNet;

use crate::fault::Fault;
use crate::input::NetworkInput;
use crate::mtu::MtuPlan;
use crate::occupant::{Collision, Occupant, Occupied, collisions, docker_bridge, special};
use crate::pods::{MAX_BLOCK_BITS, PodPlan, PodRange, RESERVED_V4, RESERVED_V6};
use crate::ports::{COMPONENT_PORTS, EPHEMERAL, contains_port};
use crate::proposals::Proposals;
use crate::propose::Purpose;
use crate::range::{Count, Family};
use crate::services::possible_service_prefixes;

/// Bits for addresses of a service range that is proposed in the place of one that is too large or too small.
const USUAL_SERVICE_BITS: u8 = 16;

/// Every fault: families, pod ranges, service ranges, node ports, MTU.
pub(crate) fn faults(input: &NetworkInput, pods: &[PodPlan], mtu: &[MtuPlan]) -> Vec<Fault> {
    let mut proposals = Proposals::new(input);
    let others = others(input);
    let mut faults = families(input);
    for (range, plan) in input.pods.iter().zip(pods) {
        faults.extend(pod_range(input, *range, plan, &others, &mut proposals));
    }
    let mut others = others;
    others.splice(0..0, input.pods.iter().map(|pods| Occupied::new(pods.range, Occupant::Pods)));
    for range in &input.services {
        faults.extend(service_range(*range, &others, &mut proposals));
    }
    faults.extend(node_ports(input));
    let too_large = mtu.iter().filter(|mtu| !mtu.fits());
    faults.extend(too_large.map(|mtu| Fault::Mtu {
        family: mtu.family,
        link: mtu.link,
        pods: mtu.pods,
        overhead: mtu.overhead,
        largest: mtu.largest,
    }));
    let mut ranges = input.pods.iter().map(|pods| pods.range).chain(input.services.iter().copied());
    if ranges.any(|range| Family::of(range) == Family::V6) {
        faults.push(Fault::Ipv6);
    }
    faults
}

/// What is there, what is special everywhere, and Docker's usual bridge unless a host's own is known.
fn others(input: &NetworkInput) -> Vec<Occupied> {
    let bridge = docker_bridge();
    let is_seen =
        |occupied: &Occupied| matches!(occupied.occupant, Occupant::Interface { .. }) && occupied.network.trunc() == bridge.network;
    let likely = (!input.occupied.iter().any(is_seen)).then_some(bridge);
    input.occupied.iter().cloned().chain(special()).chain(likely).collect()
}

fn families(input: &NetworkInput) -> Vec<Fault> {
    let pods: Vec<IpNet> = input.pods.iter().map(|pods| pods.range).collect();
    let of = |ranges: &[IpNet]| {
        let mut families: Vec<Family> = ranges.iter().copied().map(Family::of).collect();
        families.sort();
        families
    };
    let mut faults = Vec::new();
    for (occupant, ranges) in [(Occupant::Pods, &pods), (Occupant::Services, &input.services)] {
        let mut families = of(ranges);
        families.dedup();
        if families.is_empty() || families.len() != ranges.len() {
            faults.push(Fault::Families { of: occupant, ranges: ranges.clone() });
        }
    }
    let (pods, services) = (of(&pods), of(&input.services));
    if faults.is_empty() && pods != services {
        faults.push(Fault::FamiliesDiffer { pods, services });
    }
    faults
}

fn pod_range(input: &NetworkInput, pods: PodRange, plan: &PodPlan, others: &[Occupied], proposals: &mut Proposals) -> Vec<Fault> {
    let PodRange { range, node_prefix } = pods;
    let sides = collisions(&[Occupied::new(range, Occupant::Pods)], others);
    if !pods.is_possible() {
        let possible = pods.possible_prefixes();
        let possible = (!possible.is_empty()).then(|| (*possible.start(), *possible.end()));
        let collisions = collided(sides, range.prefix_len(), Purpose::Pods, proposals);
        return std::iter::once(Fault::Blocks { range, node_prefix, possible }).chain(collisions).collect();
    }
    let too_few = plan.nodes < Count(u128::from(input.nodes));
    let prefix = if too_few { enough(node_prefix, input.nodes) } else { range.prefix_len() };
    let mut faults = Vec::new();
    // One range in the place of this one, whatever is wrong with it.
    if too_few {
        let proposal = proposals.instead(range, prefix, Purpose::Pods);
        faults.push(Fault::TooFewBlocks { range, node_prefix, blocks: plan.nodes, nodes: input.nodes, proposal });
        faults.extend(sides.into_iter().map(|sides| Fault::Collision { sides, proposal }));
    } else {
        faults.extend(collided(sides, prefix, Purpose::Pods, proposals));
    }
    if plan.pods_per_node < Count(u128::from(input.max_pods)) {
        faults.push(Fault::SmallBlocks {
            range,
            node_prefix,
            pods: plan.pods_per_node,
            max_pods: input.max_pods,
            proposal: large_block(pods, input.max_pods),
        });
    }
    faults
}

/// Collisions of one range share one proposal.
fn collided(sides: Vec<Collision>, prefix: u8, purpose: Purpose, proposals: &mut Proposals) -> Vec<Fault> {
    let Some(own) = sides.first().map(|sides| sides.chosen.network) else { return Vec::new() };
    let proposal = proposals.instead(own, prefix, purpose);
    sides.into_iter().map(|sides| Fault::Collision { sides, proposal }).collect()
}

/// The longest prefix of a range with a block for each node.
fn enough(node_prefix: u8, nodes: u32) -> u8 {
    let bits = u64::from(nodes.max(1)).next_power_of_two().trailing_zeros();
    node_prefix.saturating_sub(u8::try_from(bits).unwrap_or(MAX_BLOCK_BITS).min(MAX_BLOCK_BITS))
}

/// The longest prefix of a block with an address for each pod, if the range has it.
fn large_block(pods: PodRange, max_pods: u32) -> Option<u8> {
    let family = Family::of(pods.range);
    let reserved = if family == Family::V4 { RESERVED_V4 } else { RESERVED_V6 };
    let bits = (u128::from(max_pods) + reserved).next_power_of_two().trailing_zeros();
    let prefix = family.bits().checked_sub(u8::try_from(bits).ok()?)?;
    pods.possible_prefixes().contains(&prefix).then_some(prefix)
}

fn service_range(range: IpNet, others: &[Occupied], proposals: &mut Proposals) -> Vec<Fault> {
    let family = Family::of(range);
    let possible = possible_service_prefixes(family);
    let sides = collisions(&[Occupied::new(range, Occupant::Services)], others);
    if possible.contains(&range.prefix_len()) {
        return collided(sides, range.prefix_len(), Purpose::Services, proposals);
    }
    let proposal = proposals.instead(range, family.bits() - USUAL_SERVICE_BITS, Purpose::Services);
    let size = Fault::ServicePrefix { range, possible: (*possible.start(), *possible.end()), proposal };
    std::iter::once(size).chain(sides.into_iter().map(|sides| Fault::Collision { sides, proposal })).collect()
}

fn node_ports(input: &NetworkInput) -> Vec<Fault> {
    let range = input.node_ports;
    let taken = COMPONENT_PORTS.into_iter().filter(|(port, ..)| contains_port(range, *port));
    let mut faults: Vec<Fault> = taken.map(|(port, component, usage)| Fault::NodePortTaken { range, port, component, usage }).collect();
    if range.first <= EPHEMERAL.last && EPHEMERAL.first <= range.last {
        faults.push(Fault::NodePortsEphemeral { range, ephemeral: EPHEMERAL });
    }
    faults
}
