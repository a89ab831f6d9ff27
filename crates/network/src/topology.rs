//! The hosts of a cluster, as far as its network goes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use barque_model::{Cluster, FlannelBackend, HostName, Role};

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Name of the cluster.
    pub name: String,
    /// Version of Kubernetes.
    pub kubernetes: String,
    /// The hosts in the order of the file.
    pub hosts: Vec<Member>,
    /// The VIP and the port at which it answers.
    pub vip: Option<(IpAddr, u16)>,
    /// flannel's backend.
    pub backend: FlannelBackend,
    /// DNS domain of the cluster.
    pub dns_domain: String,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: HostName,
    /// Its address.
    pub address: IpAddr,
    /// What it does.
    pub roles: BTreeSet<Role>,
}

impl Topology {
    /// The hosts that the cluster file names.
    pub fn of(cluster: &Cluster) -> Self {
        let member = |host: &barque_model::Host| Member { name: host.name.clone(), address: host.address, roles: host.roles.clone() };
        Self {
            name: cluster.name.to_string(),
            kubernetes: cluster.kubernetes.to_string(),
            hosts: cluster.hosts.iter().map(member).collect(),
            vip: cluster.load_balancer.as_ref().map(|balancer| (balancer.vip, balancer.port)),
            backend: cluster.network.flannel_backend,
            dns_domain: cluster.network.dns_domain.clone(),
        }
    }
}
