//! Stages: a view of the step graph for people, in the article's order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stage of a deployment. Steps of different stages run at the same time where nothing forbids it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// What every host needs before any component.
    Hosts,
    /// The etcd cluster.
    Etcd,
    /// haproxy and keepalived.
    LoadBalancer,
    /// The control plane.
    Masters,
    /// Container runtime, kubelet, kube-proxy and flannel on masters and nodes.
    Nodes,
    /// Node labels and taints.
    Labels,
    /// CoreDNS.
    Dns,
    /// Add-ons.
    Addons,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Self; 8] =
        [Self::Hosts, Self::Etcd, Self::LoadBalancer, Self::Masters, Self::Nodes, Self::Labels, Self::Dns, Self::Addons];

    /// Its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Etcd => "etcd",
            Self::LoadBalancer => "load balancer",
            Self::Masters => "masters",
            Self::Nodes => "nodes",
            Self::Labels => "labels",
            Self::Dns => "DNS",
            Self::Addons => "add-ons",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
