//! What a network plan is worked out from.

use barque_model::{Cluster, FlannelBackend, PortRange};
use ipnet::IpNet;

use crate::mtu::USUAL_LINK_MTU;
use crate::occupant::{Occupant, Occupied};
use crate::pods::PodRange;

/// Ranges, and what is around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInput {
    /// Pod ranges: one, or one of each family.
    pub pods: Vec<PodRange>,
    /// Service ranges: one, or one of each family.
    pub services: Vec<IpNet>,
    /// Node ports.
    pub node_ports: PortRange,
    /// flannel's backend.
    pub backend: FlannelBackend,
    /// MTU of pods in bytes; `None` leaves it to flannel.
    pub pod_mtu: Option<u16>,
    /// MTU of the hosts' link in bytes.
    pub link_mtu: u16,
    /// kubelet's limit of pods per node.
    pub max_pods: u32,
    /// Nodes that need a block.
    pub nodes: u32,
    /// Addresses and networks that are there: hosts, VIP, interfaces, routes. The special ranges and Docker's bridge need not be named.
    pub occupied: Vec<Occupied>,
}

impl NetworkInput {
    /// What the cluster file says.
    pub fn of(cluster: &Cluster) -> Self {
        let network = &cluster.network;
        let hosts = cluster.hosts.iter().map(|host| Occupied::address(host.address, Occupant::Host { host: host.name.clone() }));
        let vip = cluster.load_balancer.iter().map(|balancer| Occupied::address(balancer.vip, Occupant::Vip));
        Self {
            pods: vec![PodRange { range: network.pod_cidr.into(), node_prefix: network.node_prefix }],
            services: vec![network.service_cidr.into()],
            node_ports: network.node_ports,
            backend: network.flannel_backend,
            pod_mtu: network.mtu,
            link_mtu: USUAL_LINK_MTU,
            max_pods: cluster.kubelet.max_pods,
            nodes: u32::try_from(cluster.hosts.iter().filter(|host| host.is_node()).count()).unwrap_or(u32::MAX),
            occupied: hosts.chain(vip).collect(),
        }
    }
}
