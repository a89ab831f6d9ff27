//! What is wrong with a network plan, or worth knowing.

use barque_model::{Component, PortRange};
use ipnet::IpNet;
use serde::Serialize;

use crate::occupant::{Collision, Occupant};
use crate::range::{Count, Family};

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The cluster would not work.
    Error,
    /// It works, but perhaps not as its owner thinks.
    Warning,
}

/// A fault, with the numbers it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Fault {
    /// Two sides share addresses.
    Collision {
        /// The sides.
        sides: Collision,
        /// A range of the same size in nobody's way.
        proposal: Option<IpNet>,
    },
    /// Blocks of this length cannot be cut from the range.
    Blocks {
        /// The pod range.
        range: IpNet,
        /// The prefix of a node's block.
        node_prefix: u8,
        /// Shortest and longest prefix that are possible; `None` when the range is too small for any.
        possible: Option<(u8, u8)>,
    },
    /// There are more nodes than blocks.
    TooFewBlocks {
        /// The pod range.
        range: IpNet,
        /// The prefix of a node's block.
        node_prefix: u8,
        /// Blocks.
        blocks: Count,
        /// Nodes.
        nodes: u32,
        /// A range with enough blocks of this length, in nobody's way.
        proposal: Option<IpNet>,
    },
    /// kubelet may start more pods than a block has addresses.
    SmallBlocks {
        /// The pod range.
        range: IpNet,
        /// The prefix of a node's block.
        node_prefix: u8,
        /// Pods that a block has addresses for.
        pods: Count,
        /// kubelet's limit.
        max_pods: u32,
        /// The longest prefix with enough addresses.
        proposal: Option<u8>,
    },
    /// The service range is larger or smaller than Kubernetes takes.
    ServicePrefix {
        /// The service range.
        range: IpNet,
        /// Shortest and longest prefix that are possible.
        possible: (u8, u8),
        /// A range of a possible size in nobody's way.
        proposal: Option<IpNet>,
    },
    /// Two ranges of one kind have the same family, or there are none.
    Families {
        /// Pods or services.
        of: Occupant,
        /// The ranges.
        ranges: Vec<IpNet>,
    },
    /// Pods and services have ranges of different families.
    FamiliesDiffer {
        /// Families of the pod ranges.
        pods: Vec<Family>,
        /// Families of the service ranges.
        services: Vec<Family>,
    },
    /// The node ports contain a port of a component.
    NodePortTaken {
        /// The node ports.
        range: PortRange,
        /// The port.
        port: u16,
        /// Who listens there.
        component: Component,
        /// What for.
        usage: &'static str,
    },
    /// The node ports contain ports that the kernel gives to outgoing connections.
    NodePortsEphemeral {
        /// The node ports.
        range: PortRange,
        /// The kernel's ports.
        ephemeral: PortRange,
    },
    /// A pod's largest packet is larger than the link allows, once it is wrapped.
    Mtu {
        /// Family of the hosts' addresses.
        family: Family,
        /// MTU of the link.
        link: u16,
        /// MTU of pods.
        pods: u16,
        /// Bytes that are added.
        overhead: u16,
        /// The largest MTU of pods that fits.
        largest: u16,
    },
    /// The figures are right, but this version deploys IPv4 only.
    Ipv6,
}

/// A fault with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The same as data.
    pub fault: Fault,
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        Self { severity: fault.severity(), message: fault.message(), hint: fault.hint(), fault }
    }
}

impl Fault {
    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Collision { sides, .. } if sides.other.is_certain() => Severity::Error,
            Self::Collision { .. } | Self::SmallBlocks { .. } | Self::NodePortsEphemeral { .. } | Self::Mtu { .. } | Self::Ipv6 => {
                Severity::Warning
            }
            Self::Blocks { .. }
            | Self::TooFewBlocks { .. }
            | Self::ServicePrefix { .. }
            | Self::Families { .. }
            | Self::FamiliesDiffer { .. }
            | Self::NodePortTaken { .. } => Severity::Error,
        }
    }

    /// What is wrong: both sides, where there are two.
    pub fn message(&self) -> String {
        match self {
            Self::Collision { sides: Collision { chosen, other }, .. } => match other.occupant {
                Occupant::Host { .. } | Occupant::Vip => format!("{other} lies in {chosen}"),
                Occupant::Special { .. } => format!("{chosen} contains addresses of {other}"),
                Occupant::DockerBridge => format!("{chosen} and {other} share addresses, should a host have Docker"),
                _ => format!("{chosen} and {other} share addresses"),
            },
            Self::Blocks { range, node_prefix, .. } => format!("node blocks of /{node_prefix} cannot be cut from the pod range {range}"),
            Self::TooFewBlocks { range, node_prefix, blocks, nodes, .. } => {
                format!("{nodes} nodes need a block of /{node_prefix} each, and the pod range {range} has {blocks}")
            }
            Self::SmallBlocks { node_prefix, pods, max_pods, .. } => {
                format!("a block of /{node_prefix} has addresses for {pods} pods, fewer than kubelet's maxPods of {max_pods}")
            }
            Self::ServicePrefix { range, possible: (shortest, _), .. } => {
                let size = if range.prefix_len() < *shortest { "large" } else { "small" };
                format!("the service range {range} is too {size}")
            }
            Self::Families { of, ranges } => {
                let name = if *of == Occupant::Pods { "pod" } else { "service" };
                match ranges.as_slice() {
                    [] => format!("there is no {name} range"),
                    ranges => format!("the {name} ranges {} are not one of IPv4, one of IPv6, or one of each", listed(ranges)),
                }
            }
            Self::FamiliesDiffer { pods, services } => {
                format!("the pod ranges are {}, and the service ranges {}", listed(pods), listed(services))
            }
            Self::NodePortTaken { range, port, component, usage } => {
                format!("the node ports {range} contain port {port}, which {component} uses ({usage})")
            }
            Self::NodePortsEphemeral { range, ephemeral } => {
                format!("the node ports {range} reach into {ephemeral}, which Linux gives to outgoing connections")
            }
            Self::Mtu { link, pods, overhead: 0, .. } => {
                format!("pods' packets of {pods} bytes are larger than the hosts' link carries: {link}")
            }
            Self::Mtu { family, link, pods, overhead, .. } => format!(
                "pods' packets of {pods} bytes become {} on the hosts' link, which carries {link}: VXLAN over {family} adds {overhead}",
                u32::from(*pods) + u32::from(*overhead)
            ),
            Self::Ipv6 => "this version of barque deploys IPv4 only; the figures of IPv6 are for planning".to_owned(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Collision { sides, proposal } => {
                let field = field(&sides.chosen.occupant);
                match proposal {
                    Some(proposal) => format!("set `{field}` to {proposal}, which collides with nothing known"),
                    None => format!("set `{field}` to a smaller range; no private range of this size is free"),
                }
            }
            Self::Blocks { possible: Some((shortest, longest)), .. } => {
                format!("set `nodePrefix` from {shortest} to {longest}, or choose another pod range")
            }
            Self::Blocks { range, possible: None, .. } => {
                format!("make the pod range larger; a prefix of {} leaves no room for blocks", range.prefix_len())
            }
            Self::TooFewBlocks { proposal: Some(proposal), .. } => {
                format!("set `podCidr` to {proposal}, or `nodePrefix` to a larger number")
            }
            Self::TooFewBlocks { proposal: None, .. } => "make `podCidr` larger, or `nodePrefix` a larger number".to_owned(),
            Self::SmallBlocks { pods, proposal, .. } => {
                let other = proposal.map_or_else(String::new, |prefix| format!(", or `nodePrefix` to {prefix}"));
                format!("set `spec.kubelet.maxPods` to {pods} or less{other}")
            }
            Self::ServicePrefix { possible: (shortest, longest), proposal, .. } => {
                let example = proposal.map_or_else(String::new, |proposal| format!(", such as {proposal}"));
                format!("use a prefix from {shortest} to {longest}{example}")
            }
            Self::Families { .. } => "name one range, or one of IPv4 and one of IPv6 with a comma between them".to_owned(),
            Self::FamiliesDiffer { .. } => "give pods and services ranges of the same families".to_owned(),
            Self::NodePortTaken { .. } | Self::NodePortsEphemeral { .. } => "choose a range without it, such as 30000-32767".to_owned(),
            Self::Mtu { largest, .. } => {
                format!("set `spec.network.flannel.mtu` to {largest} or less; the link's MTU is what `--mtu` says")
            }
            Self::Ipv6 => "deploy the IPv4 ranges alone; docs/cluster-file.md lists the limits of this version".to_owned(),
        }
    }
}

/// The field of the cluster file that chooses a range.
const fn field(occupant: &Occupant) -> &'static str {
    match occupant {
        Occupant::Services => "spec.network.serviceCidr",
        _ => "spec.network.podCidr",
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
