//! What flows between the parts of a picture.

use barque_model::HostName;

/// An end of a flow, as a picture shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Clients, the operator, and everything else outside the cluster.
    Outside,
    /// A host.
    Host(HostName),
    /// The VIP, which a balancer holds.
    Vip,
    /// Pods.
    Pods,
}

/// A flow from each of some ends to each of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Who begins.
    pub from: Vec<End>,
    /// Who is reached.
    pub to: Vec<End>,
    /// The protocol, such as `tcp`.
    pub protocol: String,
    /// Ports, such as `6443` or `30000-32767`; empty for protocols without.
    pub ports: String,
}
