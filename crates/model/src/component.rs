//! Roles of hosts and the components that run on them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a host does in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Runs a member of the etcd cluster.
    Etcd,
    /// Runs haproxy and keepalived, and may hold the virtual IP address.
    LoadBalancer,
    /// Runs kube-apiserver, kube-controller-manager and kube-scheduler (and is a tainted node).
    Master,
    /// Runs workloads.
    Node,
}

impl Role {
    /// Every role, in the order in which stages bring them up.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::LoadBalancer, Self::Master, Self::Node];

    /// The word used in the cluster file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::LoadBalancer => "loadBalancer",
            Self::Master => "master",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A long-running program that barque puts on hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Component {
    /// etcd.
    Etcd,
    /// haproxy.
    Haproxy,
    /// keepalived.
    Keepalived,
    /// kube-apiserver.
    KubeApiserver,
    /// kube-controller-manager.
    KubeControllerManager,
    /// kube-scheduler.
    KubeScheduler,
    /// containerd.
    Containerd,
    /// kubelet.
    Kubelet,
    /// kube-proxy.
    KubeProxy,
    /// flanneld.
    Flanneld,
}

impl Component {
    /// Every component, in the order in which a host starts them.
    pub const ALL: [Self; 10] = [
        Self::Etcd,
        Self::Haproxy,
        Self::Keepalived,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Containerd,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Flanneld,
    ];

    /// The program's name, which is also its unit's name without `.service`.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Haproxy => "haproxy",
            Self::Keepalived => "keepalived",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Flanneld => "flanneld",
        }
    }

    /// The systemd unit, such as `kube-apiserver.service`.
    pub fn unit(self) -> String {
        format!("{}.service", self.program())
    }

    /// Whether a host with `role` runs this component.
    pub const fn runs_on(self, role: Role) -> bool {
        match self {
            Self::Etcd => matches!(role, Role::Etcd),
            Self::Haproxy | Self::Keepalived => matches!(role, Role::LoadBalancer),
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler => matches!(role, Role::Master),
            Self::Containerd | Self::Kubelet | Self::KubeProxy | Self::Flanneld => matches!(role, Role::Master | Role::Node),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.program())
    }
}
