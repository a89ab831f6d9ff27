//! The resolved cluster: what `spec` makes of a cluster file. No field is left to guess.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AcceptedCheck, ClusterAddon, ClusterName, Component, Firewall, Host, HostName, Network, Registry, Role, Version};

/// Extra flags, component by component: flag name without dashes, to its value.
pub type ExtraArgs = BTreeMap<Component, BTreeMap<String, String>>;

/// A whole cluster, resolved and validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// Version of Kubernetes; the catalog says which versions of the other components go with it.
    pub kubernetes: Version,
    /// The hosts in the order of the file.
    pub hosts: Vec<Host>,
    /// Address plan.
    pub network: Network,
    /// The balancers' shared settings; `None` when no host has the role, and then the first master is the endpoint.
    pub load_balancer: Option<LoadBalancer>,
    /// Container runtime settings.
    pub runtime: Runtime,
    /// Where images come from: registries with mirrors, credentials or an authority of their own.
    #[serde(default)]
    pub registries: Vec<Registry>,
    /// kubelet settings.
    pub kubelet: KubeletSettings,
    /// More subject alternative names for the API server's certificate.
    pub extra_sans: Vec<SubjectName>,
    /// Extra flags per component.
    pub extra_args: ExtraArgs,
    /// Log rotation.
    pub logs: LogRotation,
    /// Findings of checks that are known and accepted.
    pub accepted_checks: Vec<AcceptedCheck>,
    /// Packet filters.
    pub firewall: Firewall,
    /// Add-ons that are on, each after those that it needs.
    pub addons: Vec<ClusterAddon>,
}

impl Cluster {
    /// Hosts with `role`, in file order.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.has(role))
    }

    /// Hosts that run `component`, in file order.
    pub fn running(&self, component: Component) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.runs(component))
    }

    /// The host with `name`.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// Address and port at which clients reach the API: the VIP and haproxy's port, or the first master and 6443.
    pub fn api_endpoint(&self) -> (IpAddr, u16) {
        match &self.load_balancer {
            Some(balancer) => (balancer.vip, balancer.port),
            None => (self.with_role(Role::Master).next().map_or(IpAddr::from([127, 0, 0, 1]), |host| host.address), 6443),
        }
    }

    /// `https://ADDRESS:PORT` of [`Self::api_endpoint`].
    pub fn api_url(&self) -> String {
        let (address, port) = self.api_endpoint();
        format!("https://{}", std::net::SocketAddr::new(address, port))
    }
}

/// Settings of the load balancer pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// The virtual IP address.
    pub vip: IpAddr,
    /// Network interface that carries the VIP; `None` means the one that has the host's own address.
    pub interface: Option<String>,
    /// VRRP virtual router identifier.
    pub vrid: Vrid,
    /// Where that number comes from.
    pub vrid_origin: VridOrigin,
    /// haproxy's port, 6443 by default.
    pub port: u16,
}

/// Where a VRRP virtual router identifier comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VridOrigin {
    /// The cluster file names it.
    Written,
    /// The file says `auto`: the number is the one to start at, and who speaks on the segment decides whether it is taken.
    Automatic,
}

/// VRRP virtual router identifier, 1 to 255 (RFC 5798, section 5.2.3), resolved: `auto` has been turned into a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vrid(pub u8);

/// Container runtime settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// containerd's data, `/var/lib/containerd` by default.
    pub data_directory: String,
    /// Whether containers may not ask for a lower OOM score than containerd's own; needed inside LXC or nspawn hosts, which lack CAP_SYS_RESOURCE.
    pub restrict_oom_score_adj: bool,
    /// Reference of the image behind every pod, pulled from a registry; `None` for the one in the bundle.
    #[serde(default)]
    pub pause_image: Option<String>,
}

/// kubelet settings that people change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletSettings {
    /// Pods per node at most.
    pub max_pods: u32,
    /// Processes per pod at most.
    pub pod_pids_limit: u32,
    /// Resources kept for the system, such as `cpu` to `100m`.
    pub system_reserved: BTreeMap<String, String>,
    /// Hard eviction thresholds, such as `memory.available` to `100Mi`.
    pub eviction_hard: BTreeMap<String, String>,
    /// Whether kubelet refuses to run on cgroup v1 (its own default from 1.35 on).
    pub fail_cgroup_v1: bool,
    /// Whether kubelet refuses to run with swap on.
    pub fail_swap_on: bool,
    /// Log verbosity of kubelet, kube-proxy and the control plane, 0 to 10.
    pub verbosity: u8,
}

/// How large logs may grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRotation {
    /// Size of one container log file at most, a Kubernetes quantity such as `10Mi`.
    pub container_max_size: String,
    /// Log files kept per container.
    pub container_max_files: u32,
    /// Disk that the journal may use on each host, a systemd size such as `500M`.
    pub journal_max_use: String,
    /// Days that audit logs are kept.
    pub audit_max_age_days: u32,
    /// Audit log files kept.
    pub audit_max_backups: u32,
    /// Size of one audit log file in MB.
    pub audit_max_size_mb: u32,
}

/// How kube-proxy and flannel program the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubeProxyMode {
    /// nftables; kernel 5.13 or later, Kubernetes 1.33 or later.
    Nftables,
    /// iptables.
    Iptables,
}

impl KubeProxyMode {
    /// The word that kube-proxy's configuration uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// A subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectName {
    /// A DNS name.
    Dns(String),
    /// An IP address.
    Address(IpAddr),
}
