//! What the cluster file says of packet filters.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{PortRange, Role};

/// Packet filter settings. By themselves they change no host: `barque firewall apply` does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Firewall {
    /// What filters packets on the hosts.
    pub backend: FirewallBackend,
    /// Where operators' machines are; empty when that is not known. Tables name them; SSH stays open to everybody on the hosts themselves.
    pub operator_networks: Vec<Ipv4Net>,
    /// Who uses the API besides the cluster itself and the operators; empty for anyone.
    pub api_sources: Vec<Ipv4Net>,
    /// Who uses node ports; empty for anyone.
    pub node_port_sources: Vec<Ipv4Net>,
    /// Flows that barque cannot know of.
    pub extra_flows: Vec<ExtraFlow>,
}

/// What filters packets on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirewallBackend {
    /// nftables, in a table of barque's own.
    Nftables,
    /// iptables, in chains of barque's own.
    Iptables,
    /// firewalld, as policies of barque's own.
    Firewalld,
    /// Nothing of barque's.
    #[default]
    None,
}

impl FirewallBackend {
    /// The word in the cluster file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Firewalld => "firewalld",
            Self::None => "none",
        }
    }
}

impl fmt::Display for FirewallBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A flow to hosts that the cluster file adds, such as a monitoring system's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtraFlow {
    /// Name, unique: 1 to 40 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Hosts that are reached: those with one of these roles.
    pub to: BTreeSet<Role>,
    /// Who begins it; empty for anyone.
    pub from: Vec<ExtraSource>,
    /// Protocol.
    pub protocol: TransportProtocol,
    /// Ports of the hosts.
    pub ports: PortRange,
}

/// Who begins an [`ExtraFlow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExtraSource {
    /// Hosts with a role.
    Role(Role),
    /// Pods of the same host; those of other hosts come with their host's address.
    Pods,
    /// A range of addresses.
    Network(Ipv4Net),
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}
