//! How the operator reaches the hosts, what it lets them fetch from each other, and ICMP.

use barque_model::{Cluster, JumpHost};

use super::{networks, parties, port};
use crate::flow::{Flow, FlowId, Party, Passage, Protocol};

/// `barque_agent::PEER_PORT`, which no crate of this layer can see; a test of the agent compares the catalog with it.
const CONTENTS_PORT: u16 = 9347;
/// In smaller clusters everything comes from the operator.
const FEWEST: usize = 4;

pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for host in &cluster.hosts {
        let from = host.ssh.jump.as_ref().map_or_else(|| operator(cluster), |jump| vec![Party::Outside(jump.address.clone())]);
        let to = Party::Host(host.name.clone());
        let ports = Some(port(host.ssh.port));
        match flows.iter_mut().find(|flow| flow.from == from && flow.ports == ports) {
            Some(flow) => flow.to.push(to),
            None => flows.push(Flow { id: FlowId::Ssh, from, to: vec![to], protocol: Protocol::Tcp, ports, passage: Passage::Network }),
        }
    }
    let mut jumps: Vec<&JumpHost> = cluster.hosts.iter().filter_map(|host| host.ssh.jump.as_ref()).collect();
    jumps.sort();
    jumps.dedup_by(|one, other| (&one.address, one.port) == (&other.address, other.port));
    flows.extend(jumps.into_iter().map(|jump| Flow {
        id: FlowId::SshJump,
        from: operator(cluster),
        to: vec![Party::Outside(jump.address.clone())],
        protocol: Protocol::Tcp,
        ports: Some(port(jump.port)),
        passage: Passage::Network,
    }));
    if cluster.hosts.len() >= FEWEST {
        let hosts = parties(cluster.hosts.iter());
        flows.push(Flow {
            id: FlowId::Contents,
            from: hosts.clone(),
            to: hosts,
            protocol: Protocol::Tcp,
            ports: Some(port(CONTENTS_PORT)),
            passage: Passage::Network,
        });
    }
    flows.push(Flow {
        id: FlowId::Icmp,
        from: vec![Party::Anyone],
        to: parties(cluster.hosts.iter()),
        protocol: Protocol::Icmp,
        ports: None,
        passage: Passage::Network,
    });
    flows
}

/// Where operators are.
fn operator(cluster: &Cluster) -> Vec<Party> {
    let networks = networks(&cluster.firewall.operator_networks);
    if networks.is_empty() { vec![Party::Operator] } else { networks }
}
