//! What a host reports of itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use barque_plan::HostFacts;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// Everything that findings follow from, of one host. It is raw: what is there, not what is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The facts that a plan needs too.
    pub facts: HostFacts,
    /// What barque has applied there.
    pub managed: Managed,
    /// Those of them whose last change was cut off or failed: the next run puts them right.
    #[serde(default)]
    pub interrupted: Managed,
    /// Machine and init system.
    pub system: System,
    /// Kernel features asked about, in the order of the request.
    pub features: Vec<Feature>,
    /// Kernel parameters asked about, in the order of the request.
    pub parameters: Vec<Parameter>,
    /// Swap from any source.
    pub swaps: Vec<Swap>,
    /// File systems under the paths asked about, in the order of the request.
    pub volumes: Vec<Volume>,
    /// How fast writes reach the disk, when asked for and measurable.
    pub sync: Option<SyncLatency>,
    /// Network interfaces.
    pub links: Vec<Link>,
    /// IPv4 routes of the main table.
    pub routes: Vec<Route>,
    /// DNS servers of `/etc/resolv.conf`.
    pub resolvers: Vec<Resolver>,
    /// Files of systemd-networkd in the order in which it asks them, where it runs.
    #[serde(default)]
    pub networkd: Vec<NetworkFile>,
    /// Sockets on the ports asked about.
    pub listeners: Vec<Listener>,
    /// What former or foreign installations have left or run.
    pub traces: Vec<Trace>,
    /// sshd's limits, when it tells them.
    pub ssh: Option<SshLimits>,
    /// Proxy settings, one per place that has any.
    pub proxies: Vec<ProxySetting>,
    /// The package manager, on a host with dpkg.
    pub packages: Option<PackageManager>,
    /// Whether a time service runs.
    pub time_service: bool,
    /// The host's clock when the answer was ready, milliseconds since 1970 UTC.
    pub clock_millis: i64,
}

/// Resources that barque has applied on a host, as its ledger names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Managed(pub BTreeSet<String>);

impl Managed {
    /// Whether barque runs the unit.
    pub fn has_unit(&self, unit: &str) -> bool {
        self.0.contains(&format!("unit {unit}"))
    }

    /// Whether barque installs the package, the distribution's or its own.
    pub fn has_package(&self, name: &str) -> bool {
        ["", " (portable)"].iter().any(|form| self.0.contains(&format!("package {name}{form}")))
    }

    /// Whether it installs any.
    pub fn has_packages(&self) -> bool {
        self.0.iter().any(|id| id.starts_with("package "))
    }

    /// Whether barque made the file, program or directory at `path`, or something below it.
    pub fn has_path(&self, path: &str) -> bool {
        let below = |found: &str| found.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.iter().filter_map(|id| id.split_once(' ')).any(|(_, found)| below(found))
    }

    /// Whether barque has deployed anything there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Machine and init system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// Whether the host is a container, whose clock, DMI data and kernel belong to another machine.
    pub container: bool,
    /// systemd's version, such as 257.
    pub systemd: Option<u32>,
    /// `/sys/class/dmi/id/product_uuid`.
    pub product_uuid: Option<String>,
    /// Whether SELinux enforces.
    pub selinux_enforcing: bool,
    /// Whether AppArmor is on.
    pub apparmor: bool,
    /// Whether `apparmor_parser` is installed.
    pub apparmor_parser: bool,
}

/// A file of systemd-networkd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A kernel feature, by its module's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Such as `br_netfilter`.
    pub name: String,
    /// Whether it is there.
    pub state: FeatureState,
}

/// Where a kernel feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FeatureState {
    /// Built in, or loaded.
    Present,
    /// A module that can be loaded.
    Loadable,
    /// Neither.
    Missing,
    /// Nothing on the host tells.
    Unknown,
}

/// A kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Dotted name.
    pub key: String,
    /// Its value; `None` when the kernel has no such parameter.
    pub value: Option<String>,
    /// Whether it can be written.
    pub writable: bool,
}

/// A source of swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// Device, file, line or unit.
    pub what: String,
    /// Where it is set up.
    pub source: SwapSource,
}

/// Where swap is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SwapSource {
    /// On now: a line of `/proc/swaps`.
    Active,
    /// A line of `/etc/fstab`.
    Fstab,
    /// A systemd unit.
    Unit,
    /// The configuration of zram-generator or zram-tools.
    Zram,
}

/// The file system under a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The path asked about.
    pub path: String,
    /// Mount point of its file system; that of the nearest parent when the path is not there.
    pub mount: String,
    /// Bytes that root can still write.
    pub free_bytes: u64,
    /// Inodes left.
    pub free_inodes: u64,
    /// Inodes in all; 0 on file systems that make them as needed.
    pub inodes: u64,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether programs cannot be run from it.
    pub no_exec: bool,
}

/// How fast small writes reach the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncLatency {
    /// The directory measured.
    pub path: String,
    /// Writes made.
    pub writes: u32,
    /// 99th percentile in microseconds.
    pub p99_micros: u64,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its MAC address, lower case with colons.
    pub mac: String,
}

/// An IPv4 route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to; 0.0.0.0/0 for the default route.
    pub destination: Ipv4Net,
    /// Next hop, when there is one.
    pub gateway: Option<Ipv4Addr>,
    /// Interface.
    pub interface: String,
}

/// A DNS server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Its address.
    pub address: IpAddr,
    /// Whether it answers; `None` when it was not asked.
    pub answers: Option<bool>,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A socket that waits for connections or packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// The address that it is bound to.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Who holds it; `None` for the kernel's own sockets and processes that end meanwhile.
    pub holder: Option<Process>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Its identifier on the host.
    pub pid: u32,
    /// The systemd unit it belongs to.
    pub unit: Option<String>,
    /// Whether it runs in a pod.
    pub pod: bool,
}

/// What an installation has left, or runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Of what kind.
    pub kind: TraceKind,
    /// The path, table or program.
    pub what: String,
    /// The process, when it is one.
    pub process: Option<Process>,
}

/// Kinds of traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TraceKind {
    /// A component of Kubernetes that runs.
    KubernetesProcess,
    /// Configuration or data of a Kubernetes.
    KubernetesFile,
    /// kubelet's data.
    KubeletData,
    /// A file of a pod network's configuration.
    CniFile,
    /// etcd's data.
    EtcdData,
    /// Docker, running or its data.
    Docker,
    /// A table or chain of a kube-proxy or a pod network.
    PacketFilter,
}

/// sshd's limits (sshd_config(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SshLimits {
    /// Sessions per connection.
    pub max_sessions: u32,
    /// Connections that are not logged in, from which on some are refused: the first number of `MaxStartups`.
    pub startups_begin: u32,
}

/// Proxy settings of one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxySetting {
    /// File or unit.
    pub source: String,
    /// The variable, such as `HTTPS_PROXY`. Its value may hold a password and stays on the host.
    pub variable: String,
    /// Value of `NO_PROXY` in the same place, empty when it has none.
    pub no_proxy: String,
}

/// dpkg.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageManager {
    /// The process that holds its lock.
    pub lock_holder: Option<Process>,
    /// Packages that are neither installed nor absent, or `updates` when its journal is not empty.
    pub unfinished: Vec<String>,
}
