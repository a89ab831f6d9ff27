//! One flow of packets: who sends them to whom, and what for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use barque_catalog::PortEntry;
use barque_model::{HostName, PortRange};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How the names of flows of the cluster file begin.
const EXTRA: &str = "extra-";

/// A flow: packets of one kind from some parties to others. Answers are part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Which flow. Flows to different hosts may share it; to one host it leads once.
    pub id: FlowId,
    /// Who begins.
    pub from: Vec<Party>,
    /// Who is reached. The hosts among them get a rule.
    pub to: Vec<Party>,
    /// Protocol above IP.
    pub protocol: Protocol,
    /// Ports of the destination; `None` for protocols without ports, and for all ports.
    pub ports: Option<PortRange>,
    /// Where the packets can be seen.
    pub passage: Passage,
}

impl Flow {
    /// Pairs of different hosts, source first, between which the flow must get through.
    pub fn host_pairs(&self) -> Vec<(HostName, HostName)> {
        let mut pairs = Vec::new();
        for from in hosts(&self.from) {
            pairs.extend(hosts(&self.to).filter(|to| *to != from).map(|to| (from.clone(), to.clone())));
        }
        pairs
    }

    /// Whether it leads to `host`.
    pub fn reaches(&self, host: &HostName) -> bool {
        hosts(&self.to).any(|other| other == host)
    }

    /// Whether anyone may begin it.
    pub fn is_open(&self) -> bool {
        self.from.contains(&Party::Anyone)
    }
}

/// The hosts among `parties`.
pub(crate) fn hosts(parties: &[Party]) -> impl Iterator<Item = &HostName> {
    parties.iter().filter_map(|party| match party {
        Party::Host(host) => Some(host),
        _ => None,
    })
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Party {
    /// A host of the cluster, by its address.
    Host(HostName),
    /// The virtual IP address; the balancers that may hold it are named beside it.
    VirtualAddress(IpAddr),
    /// A range of addresses outside the cluster.
    Network(IpNet),
    /// The pods, by the pod range.
    Pods,
    /// The operator's machine, wherever it is.
    Operator,
    /// Any address.
    Anyone,
    /// A machine outside the cluster, by address or name.
    Outside(String),
}

/// Protocol above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// VRRP, IP protocol 112.
    Vrrp,
    /// Every protocol.
    Any,
}

impl Protocol {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Vrrp => "vrrp",
            Self::Any => "any",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Where packets of a flow can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Passage {
    /// On the network between machines, which must let them through.
    Network,
    /// Between hosts inside VXLAN: the network sees flow `vxlan` only.
    Tunnel,
    /// On the host where they begin; what leaves it has the host's own address.
    Host,
}

impl Passage {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Tunnel => "tunnel",
            Self::Host => "host",
        }
    }
}

/// Which flow. As text it is the comment of its rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum FlowId {
    /// Operator to hosts.
    Ssh,
    /// Operator to a jump host.
    SshJump,
    /// ICMP to hosts.
    Icmp,
    /// barque's agents among themselves, while a run goes on.
    Contents,
    /// Clients and nodes to the balancers.
    ApiVip,
    /// Clients of what the cluster serves to the balancers, HTTP.
    IngressHttp,
    /// The same, HTTPS.
    IngressHttps,
    /// Balancers, nodes and pods to the masters.
    Api,
    /// Masters without a member of their own to etcd.
    EtcdClient,
    /// barque's agent on an etcd host to all members.
    EtcdCheck,
    /// etcd members among themselves.
    EtcdPeer,
    /// Masters to etcd servers that hold single resources.
    EtcdOverride,
    /// Masters to the kubelets.
    Kubelet,
    /// The add-ons `monitoring` and `metrics-server` to the kubelets.
    MetricsKubelet,
    /// The add-on `monitoring` to the controller managers.
    MetricsControllerManager,
    /// The add-on `monitoring` to the schedulers.
    MetricsScheduler,
    /// The add-on `monitoring` to node-exporter on each node.
    MetricsHost,
    /// The add-on `monitoring` to the metrics gateway of hosts with etcd or a balancer.
    MetricsGateway,
    /// Nodes among themselves, carrying pods' packets.
    Vxlan,
    /// Pods among themselves.
    Pods,
    /// Nodes to pods of other nodes, with the node's own address.
    NodesToPods,
    /// Pods to what is no pod.
    PodsOut,
    /// Pods to the DNS cache of their own node, UDP.
    DnsCacheUdp,
    /// The same, TCP.
    DnsCacheTcp,
    /// Clients to node ports, TCP.
    NodePortsTcp,
    /// Clients to node ports, UDP.
    NodePortsUdp,
    /// Balancers among themselves.
    Vrrp,
    /// Nodes to registry mirrors.
    Mirror,
    /// A flow of `spec.firewall.extraFlows`, by its whole name, such as `extra-web`.
    Extra(String),
}

impl FlowId {
    /// Every flow that barque knows of itself.
    pub const ALL: [Self; 28] = [
        Self::Ssh,
        Self::SshJump,
        Self::Icmp,
        Self::Contents,
        Self::ApiVip,
        Self::IngressHttp,
        Self::IngressHttps,
        Self::Api,
        Self::EtcdClient,
        Self::EtcdCheck,
        Self::EtcdPeer,
        Self::EtcdOverride,
        Self::Kubelet,
        Self::MetricsKubelet,
        Self::MetricsControllerManager,
        Self::MetricsScheduler,
        Self::MetricsHost,
        Self::MetricsGateway,
        Self::Vxlan,
        Self::Pods,
        Self::NodesToPods,
        Self::PodsOut,
        Self::DnsCacheUdp,
        Self::DnsCacheTcp,
        Self::NodePortsTcp,
        Self::NodePortsUdp,
        Self::Vrrp,
        Self::Mirror,
    ];

    /// The flow of `spec.firewall.extraFlows` with `name`.
    pub fn extra(name: &str) -> Self {
        Self::Extra(format!("{EXTRA}{name}"))
    }

    /// The stable name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ssh => "ssh",
            Self::SshJump => "ssh-jump",
            Self::Icmp => "icmp",
            Self::Contents => "contents",
            Self::ApiVip => "api-vip",
            Self::IngressHttp => "ingress-http",
            Self::IngressHttps => "ingress-https",
            Self::Api => "api",
            Self::EtcdClient => "etcd-client",
            Self::EtcdCheck => "etcd-check",
            Self::EtcdPeer => "etcd-peer",
            Self::EtcdOverride => "etcd-override",
            Self::Kubelet => "kubelet",
            Self::MetricsKubelet => "metrics-kubelet",
            Self::MetricsControllerManager => "metrics-controller-manager",
            Self::MetricsScheduler => "metrics-scheduler",
            Self::MetricsHost => "metrics-host",
            Self::MetricsGateway => "metrics-gateway",
            Self::Vxlan => "vxlan",
            Self::Pods => "pods",
            Self::NodesToPods => "nodes-to-pods",
            Self::PodsOut => "pods-out",
            Self::DnsCacheUdp => "dns-cache-udp",
            Self::DnsCacheTcp => "dns-cache-tcp",
            Self::NodePortsTcp => "node-ports-tcp",
            Self::NodePortsUdp => "node-ports-udp",
            Self::Vrrp => "vrrp",
            Self::Mirror => "mirror",
            Self::Extra(name) => name,
        }
    }

    /// What the catalog says of it.
    #[expect(clippy::missing_panics_doc, reason = "a test finds every flow in the catalog")]
    pub fn entry(&self) -> &'static PortEntry {
        let id = if let Self::Extra(_) = self { "extra" } else { self.as_str() };
        barque_catalog::port(id).expect("a test finds every flow in the catalog")
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl From<FlowId> for String {
    fn from(id: FlowId) -> Self {
        id.as_str().to_owned()
    }
}

/// A text that names no flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a flow; `barque firewall table` lists them")]
pub struct UnknownFlow(pub String);

impl FromStr for FlowId {
    type Err = UnknownFlow;

    fn from_str(text: &str) -> Result<Self, UnknownFlow> {
        if text.len() > EXTRA.len() && text.starts_with(EXTRA) {
            return Ok(Self::Extra(text.to_owned()));
        }
        Self::ALL.into_iter().find(|id| id.as_str() == text).ok_or_else(|| UnknownFlow(text.to_owned()))
    }
}

impl TryFrom<String> for FlowId {
    type Error = UnknownFlow;

    fn try_from(text: String) -> Result<Self, UnknownFlow> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_flow_is_in_the_catalog_and_found_by_its_name() {
        for id in FlowId::ALL {
            assert_eq!(id.entry().id, id.as_str());
            assert_eq!(id.as_str().parse::<FlowId>().unwrap(), id);
        }
        let extra = FlowId::extra("web");
        assert_eq!((extra.entry().id.as_str(), extra.as_str()), ("extra", "extra-web"));
        assert_eq!("extra-web".parse::<FlowId>().unwrap(), extra);
        assert!("extra-".parse::<FlowId>().is_err());
        assert!("telnet".parse::<FlowId>().unwrap_err().to_string().contains("telnet"));
    }
}
