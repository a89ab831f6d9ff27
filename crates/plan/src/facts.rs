//! Facts of a host: one observation of what matters for a run.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What an agent reports of its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The kernel's node name.
    pub hostname: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Architecture in Go's terms: `amd64`, `arm64`.
    pub architecture: String,
    /// Distribution.
    pub os: OsRelease,
    /// Kernel release, such as `6.18.44`.
    pub kernel: String,
    /// Whether `/sys/fs/cgroup` is a cgroup2 file system.
    pub cgroup_v2: bool,
    /// Logical processors.
    pub processors: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Addresses and the interfaces that carry them.
    pub addresses: Vec<InterfaceAddress>,
    /// Whether the host's own name resolves without asking a DNS server.
    pub resolves_own_name: bool,
    /// Whether systemd is the init system.
    pub systemd: bool,
    /// Free space of the file systems that barque writes to.
    pub disks: Vec<DiskSpace>,
    /// The host's clock, milliseconds since 1970 UTC.
    pub clock_millis: i64,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// Interface name.
    pub interface: String,
    /// Address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

/// From `/etc/os-release` (freedesktop.org os-release).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `13`.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

/// Free space under a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpace {
    /// The path asked about.
    pub path: String,
    /// The mount point that holds it.
    pub mount: String,
    /// Bytes that root can still write.
    pub free_bytes: u64,
}
