//! Pods, Services and node ports.

use barque_model::{Cluster, FlannelBackend, Role};

use super::{networks, parties, port};
use crate::flow::{Flow, FlowId, Party, Passage, Protocol};

/// `Backend.Port` of flannel, as barque renders it: the Linux kernel's own default, not the 4789 of RFC 7348.
const VXLAN_PORT: u16 = 8472;

/// Where DNS caches answer, on an address that only their own node has.
const DNS_PORT: u16 = 53;

pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    let nodes = parties(cluster.hosts.iter().filter(|host| host.is_node()));
    let several = if nodes.len() > 1 { nodes.clone() } else { Vec::new() };
    let vxlan = cluster.network.flannel_backend == FlannelBackend::Vxlan;
    let mut flows = Vec::new();
    if vxlan {
        flows.push(Flow {
            id: FlowId::Vxlan,
            from: several,
            to: nodes.clone(),
            protocol: Protocol::Udp,
            ports: Some(port(VXLAN_PORT)),
            passage: Passage::Network,
        });
        flows.push(any(FlowId::Pods, vec![Party::Pods], Party::Pods, Passage::Tunnel));
    } else {
        flows.push(any(FlowId::Pods, vec![Party::Pods], Party::Pods, Passage::Network));
        // Inside VXLAN a node speaks with the address of its end of the tunnel, which is of the pod range.
        flows.push(any(FlowId::NodesToPods, several, Party::Pods, Passage::Network));
    }
    flows.push(any(FlowId::PodsOut, vec![Party::Pods], Party::Anyone, Passage::Host));
    if cluster.dns_cache().is_some() {
        for (id, protocol) in [(FlowId::DnsCacheUdp, Protocol::Udp), (FlowId::DnsCacheTcp, Protocol::Tcp)] {
            flows.push(Flow {
                id,
                from: vec![Party::Pods],
                to: nodes.clone(),
                protocol,
                ports: Some(port(DNS_PORT)),
                passage: Passage::Host,
            });
        }
    }
    for (id, protocol) in [(FlowId::NodePortsTcp, Protocol::Tcp), (FlowId::NodePortsUdp, Protocol::Udp)] {
        flows.push(Flow {
            id,
            from: clients(cluster),
            to: nodes.clone(),
            protocol,
            ports: Some(cluster.network.node_ports),
            passage: Passage::Network,
        });
    }
    flows
}

/// Who uses node ports: the balancers too, where they pass web ports on.
fn clients(cluster: &Cluster) -> Vec<Party> {
    let mut clients = networks(&cluster.firewall.node_port_sources);
    if clients.is_empty() {
        return vec![Party::Anyone];
    }
    if cluster.ingress_front().is_some() {
        clients.extend(parties(cluster.with_role(Role::LoadBalancer)));
    }
    clients
}

fn any(id: FlowId, from: Vec<Party>, to: Party, passage: Passage) -> Flow {
    Flow { id, from, to: vec![to], protocol: Protocol::Any, ports: None, passage }
}
