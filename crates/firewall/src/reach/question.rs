//! From the matrix to questions.

use std::collections::BTreeMap;

use barque_model::{Cluster, Host, HostName, PortRange};
use serde::{Deserialize, Serialize};

use super::report::Untested;
use super::wire::Carrier;
use crate::flow::{Flow, FlowId, Party, Passage, Protocol, hosts};
use crate::matrix::Matrix;

/// Whether packets get from one host to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The flows that need it.
    pub flows: Vec<FlowId>,
    /// Who begins.
    pub from: HostName,
    /// Who is reached.
    pub to: HostName,
    /// What carries the packets.
    pub carrier: Carrier,
    /// Port of the destination; 0 for what has none.
    pub port: u16,
    /// Whether the destination answers. VXLAN and VRRP know no answers: each host speaks for itself.
    pub answers: bool,
}

/// All that is asked, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// In the order of the matrix.
    pub questions: Vec<Question>,
    /// Flows that no question stands for.
    pub untested: Vec<Untested>,
}

/// The questions that follow from a matrix.
///
/// Of a range of ports the first and the last stand for all. Where anyone may begin a flow, every other host of the cluster stands for
/// them. What the operator reaches is shown by the operator's being there, and what passes inside VXLAN by VXLAN.
pub fn questions(cluster: &Cluster, matrix: &Matrix) -> Questions {
    let mut found: BTreeMap<(HostName, HostName, Carrier, u16), usize> = BTreeMap::new();
    let mut asked = Questions::default();
    for flow in matrix.flows.iter().filter(|flow| flow.passage == Passage::Network) {
        let Some(carrier) = carrier(flow) else {
            asked.untested.extend(why(flow).map(|reason| Untested { flows: vec![flow.id.clone()], from: None, to: None, reason }));
            continue;
        };
        for (from, to) in pairs(cluster, flow) {
            for port in ports(flow.ports) {
                let index = *found.entry((from.clone(), to.clone(), carrier, port)).or_insert_with(|| {
                    let answers = carrier != Carrier::Vrrp && flow.id != FlowId::Vxlan;
                    asked.questions.push(Question { flows: Vec::new(), from: from.clone(), to: to.clone(), carrier, port, answers });
                    asked.questions.len() - 1
                });
                if let Some(question) = asked.questions.get_mut(index).filter(|question| !question.flows.contains(&flow.id)) {
                    question.flows.push(flow.id.clone());
                }
            }
        }
    }
    asked
}

fn carrier(flow: &Flow) -> Option<Carrier> {
    match flow.protocol {
        Protocol::Tcp if flow.ports.is_some() => Some(Carrier::Tcp),
        Protocol::Udp if flow.ports.is_some() => Some(Carrier::Udp),
        Protocol::Vrrp => Some(Carrier::Vrrp),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Any => None,
    }
}

/// Why a flow is not tested, where that is worth a word.
fn why(flow: &Flow) -> Option<String> {
    match flow.id {
        FlowId::Pods | FlowId::NodesToPods => Some("pods' addresses are there when the cluster is".to_owned()),
        _ => None,
    }
}

/// Where anyone or a range of addresses may begin a flow, the hosts of the cluster that may so stand for all.
fn pairs(cluster: &Cluster, flow: &Flow) -> Vec<(HostName, HostName)> {
    if hosts(&flow.from).next().is_some() {
        return flow.host_pairs();
    }
    let may = |host: &&Host| {
        flow.from.iter().any(|party| match party {
            Party::Anyone => true,
            Party::Network(network) => network.contains(&host.address),
            _ => false,
        })
    };
    let sources = cluster.hosts.iter().filter(may).map(|host| &host.name);
    sources.flat_map(|from| hosts(&flow.to).filter(move |to| *to != from).map(|to| (from.clone(), to.clone()))).collect()
}

fn ports(range: Option<PortRange>) -> Vec<u16> {
    match range {
        None => vec![0],
        Some(PortRange { first, last }) if first == last => vec![first],
        Some(PortRange { first, last }) => vec![first, last],
    }
}
