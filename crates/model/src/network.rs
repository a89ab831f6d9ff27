//! Address ranges of pods and services.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The cluster's network plan. IPv4 only in this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Range of pod addresses, split into one block per node.
    pub pod_cidr: Ipv4Net,
    /// Prefix length of a node's block, such as 24 (254 pods' addresses).
    pub node_prefix: u8,
    /// Range of service addresses.
    pub service_cidr: Ipv4Net,
    /// Node ports.
    pub node_ports: PortRange,
    /// DNS domain of the cluster, such as `cluster.local`.
    pub dns_domain: String,
    /// How flannel carries packets between hosts.
    pub flannel_backend: FlannelBackend,
    /// MTU of pod interfaces in bytes; `None` lets flannel take it from the host's interface less its own overhead.
    pub mtu: Option<u16>,
    /// Whether pods' and services' packets are handled by nftables (else iptables). Both kube-proxy and flannel follow it.
    pub kube_proxy_mode: crate::KubeProxyMode,
}

impl Network {
    /// The first service address, which is the API's own (`kubernetes.default`).
    pub fn api_service_address(&self) -> IpAddr {
        self.service_address(1)
    }

    /// The tenth service address, which the cluster's DNS gets, as kubeadm does.
    pub fn dns_service_address(&self) -> IpAddr {
        self.service_address(10)
    }

    fn service_address(&self, index: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(self.service_cidr.network().to_bits() + index))
    }
}

/// An inclusive range of TCP or UDP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

/// Flannel's way of carrying packets between hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlannelBackend {
    /// VXLAN, UDP port 8472; works over any routed network.
    Vxlan,
    /// Plain routes; all hosts must share one layer-2 segment.
    HostGw,
}

impl FlannelBackend {
    /// The word that flannel's net-conf.json and the cluster file use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
        }
    }
}
