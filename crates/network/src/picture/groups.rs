//! Hosts with the same roles make a group, which a picture shows in one frame.

use std::collections::BTreeSet;

use barque_model::{HostName, Role};

use super::link::{End, Link};
use crate::topology::{Member, Topology};

/// A frame of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Everything outside the cluster.
    Outside,
    /// Hosts with the same roles: their name, and the hosts.
    Hosts {
        /// Such as `masters, etcd`.
        title: String,
        /// Name and address of each, in file order.
        hosts: Vec<(HostName, String)>,
        /// Whether the VIP is with them.
        has_vip: bool,
    },
    /// The pods' and services' ranges.
    Ranges,
}

impl Frame {
    /// Its name in labels.
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Outside => "outside",
            Self::Hosts { title, .. } => title,
            Self::Ranges => "pods",
        }
    }
}

/// Frames from top to bottom: outside, balancers, masters, etcd, nodes, ranges.
pub(crate) fn frames(topology: &Topology) -> Vec<Frame> {
    let mut sets: Vec<&BTreeSet<Role>> = Vec::new();
    for host in &topology.hosts {
        if !sets.contains(&&host.roles) {
            sets.push(&host.roles);
        }
    }
    sets.sort_by_key(|roles| tier(roles));
    let with_vip = topology.vip.and_then(|_| sets.iter().position(|roles| roles.contains(&Role::LoadBalancer)));
    let hosts = sets.iter().enumerate().map(|(index, roles)| Frame::Hosts {
        title: title(roles),
        hosts: topology.hosts.iter().filter(|host| host.roles == **roles).map(named).collect(),
        has_vip: with_vip == Some(index),
    });
    std::iter::once(Frame::Outside).chain(hosts).chain(std::iter::once(Frame::Ranges)).collect()
}

fn named(host: &Member) -> (HostName, String) {
    (host.name.clone(), host.address.to_string())
}

/// The order in which a request goes through the cluster.
const WAY: [Role; 4] = [Role::LoadBalancer, Role::Master, Role::Etcd, Role::Node];

fn tier(roles: &BTreeSet<Role>) -> usize {
    WAY.iter().position(|role| roles.contains(role)).unwrap_or(WAY.len())
}

fn title(roles: &BTreeSet<Role>) -> String {
    let words = WAY.iter().filter(|role| roles.contains(role)).map(|role| match role {
        Role::LoadBalancer => "load balancers",
        Role::Master => "masters",
        Role::Etcd => "etcd",
        Role::Node => "nodes",
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What flows from one frame to another, or within one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Index of the frame where it begins.
    pub(crate) from: usize,
    /// Index of the frame that it reaches.
    pub(crate) to: usize,
    /// Such as `tcp 6443, 10250; udp 8472`.
    pub(crate) label: String,
}

/// All links between and within frames, each pair of frames once, in the order of the frames.
pub(crate) fn streams(frames: &[Frame], links: &[Link]) -> Vec<Stream> {
    let mut streams = Vec::new();
    for (from, source) in frames.iter().enumerate() {
        for (to, destination) in frames.iter().enumerate() {
            let between: Vec<&Link> = links.iter().filter(|link| leads(link, source, destination)).collect();
            if !between.is_empty() {
                streams.push(Stream { from, to, label: label(&between) });
            }
        }
    }
    streams
}

/// Whether the link has a pair of different ends, one in each frame.
fn leads(link: &Link, source: &Frame, destination: &Frame) -> bool {
    let from = link.from.iter().filter(|end| holds(source, end));
    from.into_iter().any(|from| link.to.iter().any(|to| holds(destination, to) && to != from))
}

fn holds(frame: &Frame, end: &End) -> bool {
    match (frame, end) {
        (Frame::Outside, End::Outside) | (Frame::Ranges, End::Pods) => true,
        (Frame::Hosts { hosts, .. }, End::Host(name)) => hosts.iter().any(|(host, _)| host == name),
        (Frame::Hosts { has_vip, .. }, End::Vip) => *has_vip,
        _ => false,
    }
}

/// Protocols in their first order, each with all its ports.
fn label(links: &[&Link]) -> String {
    let mut protocols: Vec<(&str, Vec<&str>)> = Vec::new();
    for link in links {
        if !protocols.iter().any(|(protocol, _)| *protocol == link.protocol) {
            protocols.push((&link.protocol, Vec::new()));
        }
        for (_, ports) in protocols.iter_mut().filter(|(protocol, _)| *protocol == link.protocol) {
            if !link.ports.is_empty() && !ports.contains(&link.ports.as_str()) {
                ports.push(&link.ports);
            }
        }
    }
    let words = protocols.into_iter().map(|(protocol, ports)| format!("{protocol} {}", ports.join(", ")).trim_end().to_owned());
    words.collect::<Vec<_>>().join("; ")
}
