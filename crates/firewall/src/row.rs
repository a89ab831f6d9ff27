//! The matrix as rows of a table, grouped by the segments between which packets travel.

use std::fmt;

use barque_model::{Cluster, HostName, Role};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::flow::{Flow, FlowId, Party, Passage, Protocol};
use crate::matrix::Matrix;
use crate::segment::Segments;

/// One row: a flow, or the part of it that travels between two segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Between which segments.
    pub group: Group,
    /// Which flow.
    pub flow: FlowId,
    /// Who begins, in words.
    pub from: String,
    /// Their addresses and ranges; empty when that is anybody or not known.
    pub from_addresses: Vec<String>,
    /// Who is reached, in words.
    pub to: String,
    /// Their addresses and ranges.
    pub to_addresses: Vec<String>,
    /// Protocol above IP.
    pub protocol: Protocol,
    /// Ports of the destination, such as `2379` or `30000-32767`; empty for protocols without ports and for all ports.
    pub ports: String,
    /// Where the packets can be seen.
    pub passage: Passage,
    /// What for, in English.
    pub purpose: &'static str,
    /// What for, in simplified Chinese.
    pub purpose_zh: &'static str,
    /// The component and setting that need it.
    pub needed_by: &'static str,
}

/// Between which segments a row's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// From outside the cluster into a segment.
    Into(IpNet),
    /// Within a segment.
    Within(IpNet),
    /// From one segment to another.
    Between(IpNet, IpNet),
    /// From a segment to the outside.
    OutOf(IpNet),
    /// From one place outside to another.
    Outside,
    /// To and from pods.
    Pods,
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Into(to) => write!(formatter, "outside -> {to}"),
            Self::Within(segment) => write!(formatter, "within {segment}"),
            Self::Between(from, to) => write!(formatter, "{from} -> {to}"),
            Self::OutOf(from) => write!(formatter, "{from} -> outside"),
            Self::Outside => formatter.write_str("outside -> outside"),
            Self::Pods => formatter.write_str("pods"),
        }
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    Segment(IpNet),
    Outside,
    Pods,
}

/// The rows of `matrix`, by group and then in the matrix' order.
pub fn rows(matrix: &Matrix, cluster: &Cluster, segments: &Segments) -> Vec<Row> {
    let mut rows: Vec<Row> = matrix.flows.iter().flat_map(|flow| flow_rows(flow, cluster, segments)).collect();
    // Stable: within a group the matrix' order stays.
    rows.sort_by_key(|row| row.group);
    rows
}

fn flow_rows(flow: &Flow, cluster: &Cluster, segments: &Segments) -> Vec<Row> {
    let mut rows = Vec::new();
    let targets = by_zone(&flow.to, segments);
    for (from_zone, from) in by_zone(&flow.from, segments) {
        for (to_zone, to) in &targets {
            if from.len() == 1 && from == *to && matches!(from[0], Party::Host(_)) {
                // A host's words to itself never leave it.
                continue;
            }
            rows.push(row(flow, group(from_zone, *to_zone), &from, to, cluster));
        }
    }
    rows
}

fn by_zone(parties: &[Party], segments: &Segments) -> Vec<(Zone, Vec<Party>)> {
    let mut zones: Vec<(Zone, Vec<Party>)> = Vec::new();
    for party in parties {
        let zone = zone(party, segments);
        match zones.iter_mut().find(|(other, _)| *other == zone) {
            Some((_, members)) => members.push(party.clone()),
            None => zones.push((zone, vec![party.clone()])),
        }
    }
    zones
}

fn zone(party: &Party, segments: &Segments) -> Zone {
    let around = |network: IpNet| segments.around(network).map_or(Zone::Outside, Zone::Segment);
    match party {
        Party::Host(host) => segments.of_host(host).map_or(Zone::Outside, Zone::Segment),
        Party::VirtualAddress(address) => around(IpNet::from(*address)),
        Party::Network(network) => around(*network),
        Party::Outside(name) => name.parse().map_or(Zone::Outside, |address: std::net::IpAddr| around(IpNet::from(address))),
        Party::Operator | Party::Anyone => Zone::Outside,
        Party::Pods => Zone::Pods,
    }
}

fn group(from: Zone, to: Zone) -> Group {
    match (from, to) {
        (Zone::Pods, _) | (_, Zone::Pods) => Group::Pods,
        (Zone::Outside, Zone::Outside) => Group::Outside,
        (Zone::Outside, Zone::Segment(to)) => Group::Into(to),
        (Zone::Segment(from), Zone::Outside) => Group::OutOf(from),
        (Zone::Segment(from), Zone::Segment(to)) if from == to => Group::Within(from),
        (Zone::Segment(from), Zone::Segment(to)) => Group::Between(from, to),
    }
}

fn row(flow: &Flow, group: Group, from: &[Party], to: &[Party], cluster: &Cluster) -> Row {
    let entry = flow.id.entry();
    // Pods reach a host from inside it; those of other hosts come with their host's address, which is a row of its own.
    let inside = from.contains(&Party::Pods) && to.iter().any(|party| matches!(party, Party::Host(_)));
    Row {
        group,
        flow: flow.id.clone(),
        from: words(from, cluster),
        from_addresses: addresses(from, cluster),
        to: words(to, cluster),
        to_addresses: addresses(to, cluster),
        protocol: flow.protocol,
        ports: flow.ports.map_or_else(
            String::new,
            |ports| {
                if ports.first == ports.last { ports.first.to_string() } else { ports.to_string() }
            },
        ),
        passage: if inside { Passage::Host } else { flow.passage },
        purpose: &entry.purpose.en,
        purpose_zh: &entry.purpose.zh,
        needed_by: &entry.needed_by,
    }
}

fn addresses(parties: &[Party], cluster: &Cluster) -> Vec<String> {
    let mut found = Vec::new();
    for party in parties {
        match party {
            Party::Host(name) => found.extend(cluster.host(name).map(|host| host.address.to_string())),
            Party::VirtualAddress(address) => found.push(address.to_string()),
            Party::Network(network) => found.push(network.to_string()),
            Party::Pods => found.push(cluster.network.pod_cidr.to_string()),
            Party::Outside(name) => found.push(name.clone()),
            Party::Operator | Party::Anyone => {}
        }
    }
    found
}

/// Names, with a role's word for all its hosts where there are several.
fn words(parties: &[Party], cluster: &Cluster) -> String {
    let mut left: Vec<&HostName> = crate::flow::hosts(parties).collect();
    let mut words: Vec<String> = Vec::new();
    for (role, word) in
        [(Role::LoadBalancer, "load balancers"), (Role::Master, "masters"), (Role::Etcd, "etcd hosts"), (Role::Node, "nodes")]
    {
        let members: Vec<&HostName> = cluster.with_role(role).map(|host| &host.name).collect();
        if members.len() > 1 && members.iter().all(|member| left.contains(member)) {
            left.retain(|name| !members.contains(name));
            words.push(word.to_owned());
        }
    }
    words.extend(left.into_iter().map(ToString::to_string));
    words.extend(parties.iter().filter_map(|party| match party {
        Party::Host(_) => None,
        Party::VirtualAddress(address) => Some(format!("VIP {address}")),
        Party::Network(network) => Some(network.to_string()),
        Party::Pods => Some("pods".to_owned()),
        Party::Operator => Some("operator".to_owned()),
        Party::Anyone => Some("anyone".to_owned()),
        Party::Outside(name) => Some(name.clone()),
    }));
    words.join(", ")
}
