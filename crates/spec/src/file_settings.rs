//! Settings of the cluster file that all hosts share.

use std::collections::BTreeMap;

use barque_model::{FlannelBackend, KubeProxyMode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::field::{self, Field, Text};

/// Address plan.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct NetworkEntry {
    /// Range of pod addresses (IPv4, canonical); it must not overlap services or hosts, and cannot change later.
    #[serde(default = "pod_cidr")]
    pub(crate) pod_cidr: Field<String>,
    /// Prefix length of each node's block of pod addresses: 24 gives a node 254 addresses. At most 16 more than the prefix of `podCidr`.
    #[serde(default = "node_prefix")]
    #[schemars(range(min = 9, max = 28), extend("x-unit" = "bits"))]
    pub(crate) node_prefix: Field<u8>,
    /// Range of service addresses (IPv4, canonical, prefix 12 to 28). The first address is the API's, the tenth the cluster DNS's. Cannot change later.
    #[serde(default = "service_cidr")]
    pub(crate) service_cidr: Field<String>,
    /// Ports of NodePort services, first and last, inclusive.
    #[serde(default = "node_ports")]
    pub(crate) node_ports: Field<Text>,
    /// DNS domain of the cluster.
    #[serde(default = "dns_domain")]
    pub(crate) dns_domain: Field<String>,
    /// The pod network.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) flannel: Field<FlannelEntry>,
    /// How kube-proxy (and flannel) program the kernel.
    #[serde(default = "proxy_mode")]
    pub(crate) kube_proxy_mode: Field<ProxyModeWord>,
}

/// The pod network.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct FlannelEntry {
    /// How packets travel between hosts.
    #[serde(default = "backend")]
    pub(crate) backend: Field<BackendWord>,
    /// MTU of pod interfaces.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 576, max = 65535), extend("x-default" = "the host interface's MTU, less 50 with `vxlan`", "x-unit" = "bytes"))]
    pub(crate) mtu: Field<u16>,
}

/// Flannel's backends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackendWord {
    /// VXLAN over UDP port 8472; works over any routed network.
    Vxlan,
    /// Plain routes; all hosts must share one layer-2 segment.
    HostGw,
}

impl From<BackendWord> for FlannelBackend {
    fn from(word: BackendWord) -> Self {
        match word {
            BackendWord::Vxlan => Self::Vxlan,
            BackendWord::HostGw => Self::HostGw,
        }
    }
}

/// kube-proxy's modes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProxyModeWord {
    /// nftables; Linux 5.13 or later.
    Nftables,
    /// iptables, for older kernels.
    Iptables,
}

impl From<ProxyModeWord> for KubeProxyMode {
    fn from(word: ProxyModeWord) -> Self {
        match word {
            ProxyModeWord::Nftables => Self::Nftables,
            ProxyModeWord::Iptables => Self::Iptables,
        }
    }
}

/// Shared settings of the load balancers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Balancer {
    /// Virtual IPv4 address at which the API is reached; no host has it, and it lies in the balancers' own subnet.
    pub(crate) vip: Field<String>,
    /// Network interface that carries the VIP.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the interface that has the host's address"))]
    pub(crate) interface: Field<String>,
    /// VRRP virtual router identifier: `auto` or 1 to 255. No other VRRP pair on the segment may use the same; `auto` begins at a number made from the cluster's name and VIP, takes the first that nobody on the segment speaks, and keeps it.
    #[serde(default = "auto")]
    pub(crate) vrid: Field<VridText>,
    /// Port of the API on the VIP. Must not be 6443 on a balancer that is also a master.
    #[serde(default = "api_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Field<u16>,
    /// Names of hosts that may be load balancers and have other roles too.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) allow_shared_hosts: Field<Vec<Field<String>>>,
}

/// `auto` or a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct VridText(pub(crate) Text);

impl JsonSchema for VridText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Vrid".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// Container runtime.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct RuntimeEntry {
    /// containerd's data directory: images and containers' file systems.
    #[serde(default = "containerd_data")]
    pub(crate) data_directory: Field<String>,
    /// Whether containers may not ask for a lower OOM score than containerd's own. Needed on hosts without CAP_SYS_RESOURCE (LXC, nspawn).
    #[serde(default = "no")]
    pub(crate) restrict_oom_score_adj: Field<bool>,
    /// Image behind every pod, pulled from its registry by each node: written in full, with tag or digest.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the one in the bundle, for which no registry is asked"))]
    pub(crate) pause_image: Field<String>,
}

/// kubelet settings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct KubeletEntry {
    /// Pods per node at most.
    #[serde(default = "max_pods")]
    #[schemars(range(min = 1, max = 4096), extend("x-unit" = "pods"))]
    pub(crate) max_pods: Field<u32>,
    /// Processes and threads per pod at most.
    #[serde(default = "pod_pids")]
    #[schemars(range(min = 64, max = 4_194_304), extend("x-unit" = "processes"))]
    pub(crate) pod_pids_limit: Field<u32>,
    /// Resources kept from pods for the system: `cpu`, `memory`, `ephemeral-storage` or `pid`, to a quantity. Those not named keep their default; 0 reserves none.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "cpu `100m`, memory `256Mi`", "x-unit" = "Kubernetes quantity"))]
    pub(crate) system_reserved: Field<BTreeMap<String, Field<Text>>>,
    /// Hard eviction thresholds: signal to a quantity or a percentage. Signals not named keep their default; `0%` switches one off.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend(
        "x-default" = "memory.available `100Mi`, nodefs.available `10%`, nodefs.inodesFree `5%`, imagefs.available `15%`, imagefs.inodesFree `5%`",
        "x-unit" = "Kubernetes quantity or %"
    ))]
    pub(crate) eviction_hard: Field<BTreeMap<String, Field<Text>>>,
    /// Whether kubelet refuses to run on a host with cgroup v1.
    #[serde(default = "yes")]
    pub(crate) fail_cgroup_v1: Field<bool>,
    /// Whether kubelet refuses to run on a host with swap on.
    #[serde(default = "yes")]
    pub(crate) fail_swap_on: Field<bool>,
    /// Log verbosity (`--v`) of kubelet, kube-proxy and the control plane.
    #[serde(default = "verbosity")]
    #[schemars(range(min = 0, max = 10), extend("x-unit" = "level"))]
    pub(crate) verbosity: Field<u8>,
}

/// How large logs may grow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Logs {
    /// Size of one container log file at most.
    #[serde(default = "container_size")]
    #[schemars(extend("x-unit" = "Kubernetes quantity"))]
    pub(crate) container_max_size: Field<Text>,
    /// Log files kept per container.
    #[serde(default = "container_files")]
    #[schemars(range(min = 2, max = 1000), extend("x-unit" = "files"))]
    pub(crate) container_max_files: Field<u32>,
    /// Disk that the systemd journal may use on each host.
    #[serde(default = "journal_use")]
    #[schemars(extend("x-unit" = "systemd size (K, M, G, T)"))]
    pub(crate) journal_max_use: Field<Text>,
    /// Time that audit logs are kept on each master.
    #[serde(default = "audit_age")]
    #[schemars(range(min = 1, max = 3650), extend("x-unit" = "days"))]
    pub(crate) audit_max_age_days: Field<u32>,
    /// Audit log files kept on each master.
    #[serde(default = "audit_files")]
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "files"))]
    pub(crate) audit_max_backups: Field<u32>,
    /// Size of one audit log file.
    #[serde(default = "audit_size")]
    #[schemars(range(min = 1, max = 102_400), extend("x-unit" = "MB"))]
    pub(crate) audit_max_size_mb: Field<u32>,
}

fn pod_cidr() -> Field<String> {
    field::default("10.244.0.0/16")
}
fn node_prefix() -> Field<u8> {
    field::default(24_u8)
}
fn service_cidr() -> Field<String> {
    field::default("10.96.0.0/16")
}
fn node_ports() -> Field<Text> {
    field::default("30000-32767")
}
fn dns_domain() -> Field<String> {
    field::default("cluster.local")
}
fn backend() -> Field<BackendWord> {
    field::default(BackendWord::Vxlan)
}
fn proxy_mode() -> Field<ProxyModeWord> {
    field::default(ProxyModeWord::Nftables)
}
fn auto() -> Field<VridText> {
    field::default(VridText("auto".into()))
}
fn api_port() -> Field<u16> {
    field::default(6443_u16)
}
fn containerd_data() -> Field<String> {
    field::default("/var/lib/containerd")
}
fn yes() -> Field<bool> {
    field::default(true)
}
fn no() -> Field<bool> {
    field::default(false)
}
fn max_pods() -> Field<u32> {
    field::default(110_u32)
}
// CIS Kubernetes Benchmark 4.2.13 wants a limit; 4096 is what its hardening guides use.
fn pod_pids() -> Field<u32> {
    field::default(4096_u32)
}
fn verbosity() -> Field<u8> {
    field::default(2_u8)
}
fn container_size() -> Field<Text> {
    field::default("10Mi")
}
fn container_files() -> Field<u32> {
    field::default(5_u32)
}
fn journal_use() -> Field<Text> {
    field::default("500M")
}
// Audit defaults are those that CIS 1.2.17 to 1.2.19 ask for.
fn audit_age() -> Field<u32> {
    field::default(30_u32)
}
fn audit_files() -> Field<u32> {
    field::default(10_u32)
}
fn audit_size() -> Field<u32> {
    field::default(100_u32)
}
