//! Checks of hosts: what can be found before and beside a deployment, each with an identifier that never changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::HostName;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The deployment fails, or breaks something: `up` refuses.
    Error,
    /// It works, but worse than it should, or only for now.
    Warning,
}

impl Severity {
    /// The word that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A check that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no check `{0}`")]
pub struct UnknownCheck(pub String);

macro_rules! checks {
    ($($(#[$documentation:meta])* $name:ident, $id:literal, $severity:ident;)*) => {
        /// A check. `catalog/checks.toml` has what each means, why it matters and what to do, under the same identifier.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum CheckId {
            $($(#[$documentation])* #[serde(rename = $id)] $name,)*
        }

        impl CheckId {
            /// Every check, in the order in which reports show them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its identifier in cluster files, reports and `barque explain check`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// How bad a finding of it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

checks! {
    /// No agent could be started on the host.
    HostUnreachable, "host-unreachable", Error;
    /// The login user does not become root.
    Sudo, "sudo", Error;
    /// The distribution is none that barque knows, or too old.
    OperatingSystem, "operating-system", Error;
    /// Nobody has tried barque on the distribution.
    UntriedSystem, "untried-system", Warning;
    /// Neither amd64 nor arm64.
    Architecture, "architecture", Error;
    /// Process 1 is not systemd.
    InitSystem, "init-system", Error;
    /// systemd is too old for the units.
    SystemdVersion, "systemd-version", Error;
    /// The kernel is too old for the cluster's settings.
    KernelVersion, "kernel-version", Error;
    /// cgroup v1, which kubelet refuses.
    CgroupVersion, "cgroup-version", Error;
    /// The kernel lacks a feature, and has no module for it.
    KernelFeature, "kernel-feature", Error;
    /// A kernel parameter that must be set has another value and cannot be written.
    KernelParameter, "kernel-parameter", Error;
    /// A kernel parameter that should be set has another value and cannot be written.
    KernelTuning, "kernel-tuning", Warning;
    /// Less memory than the roles need.
    Memory, "memory", Warning;
    /// Fewer processors than the roles need.
    Processors, "processors", Warning;
    /// A file system is too full.
    DiskSpace, "disk-space", Error;
    /// A file system is short of inodes.
    Inodes, "inodes", Warning;
    /// A path that barque or a component writes to is read-only.
    ReadOnlyMount, "read-only-mount", Error;
    /// Programs cannot be run from a path that holds programs.
    NoexecMount, "noexec-mount", Error;
    /// Writes reach etcd's disk too slowly.
    DiskLatency, "disk-latency", Warning;
    /// Swap is on, and kubelet refuses that.
    SwapActive, "swap-active", Error;
    /// Swap comes on with the next boot.
    SwapAtBoot, "swap-at-boot", Warning;
    /// The host's clock differs from that of the others.
    ClockOffset, "clock-offset", Error;
    /// Nothing keeps the clock right.
    TimeService, "time-service", Warning;
    /// SELinux is enforcing.
    Selinux, "selinux", Warning;
    /// AppArmor is on without its loader.
    Apparmor, "apparmor", Warning;
    /// The kernel's host name is no DNS label.
    Hostname, "hostname", Warning;
    /// The host's own name does not resolve at once.
    OwnName, "own-name", Warning;
    /// Two hosts with one host name.
    DuplicateHostname, "duplicate-hostname", Warning;
    /// Two hosts with one machine-id.
    DuplicateMachineId, "duplicate-machine-id", Error;
    /// Two hosts with one MAC address.
    DuplicateMac, "duplicate-mac", Error;
    /// Two hosts with one product UUID.
    DuplicateProductUuid, "duplicate-product-uuid", Warning;
    /// systemd-networkd is configured to take pods' interfaces.
    PodInterfaces, "pod-interfaces", Error;
    /// No interface has the host's address.
    HostAddress, "host-address", Error;
    /// The interface named for the VIP does not exist.
    BalancerInterface, "balancer-interface", Error;
    /// Several interfaces could be meant.
    AmbiguousInterface, "ambiguous-interface", Warning;
    /// No default route.
    DefaultRoute, "default-route", Error;
    /// The host already routes what is to become pods' or services' addresses.
    RouteOverlap, "route-overlap", Error;
    /// A configured DNS server does not answer.
    DnsServer, "dns-server", Warning;
    /// Another program listens on a port that a component needs.
    PortInUse, "port-in-use", Error;
    /// Folders of a kubelet that does not run any more.
    KubeletLeftovers, "kubelet-leftovers", Warning;
    /// Network configuration of a former pod network.
    CniLeftovers, "cni-leftovers", Warning;
    /// Data of an etcd that barque did not make.
    EtcdLeftovers, "etcd-leftovers", Error;
    /// Docker is or was there.
    Docker, "docker", Warning;
    /// Packet-filter rules of a former kube-proxy or pod network.
    PacketFilterLeftovers, "packet-filter-leftovers", Warning;
    /// A Kubernetes that is not barque's.
    ForeignKubernetes, "foreign-kubernetes", Error;
    /// sshd allows few sessions per connection.
    SshSessions, "ssh-sessions", Warning;
    /// sshd allows few connections that are not logged in yet.
    SshStartups, "ssh-startups", Warning;
    /// A proxy would get the cluster's own traffic.
    Proxy, "proxy", Warning;
    /// A package manager is at work.
    PackageLock, "package-lock", Warning;
    /// The package manager was interrupted.
    PackageState, "package-state", Error;
    /// Another machine has the VIP.
    VipInUse, "vip-in-use", Error;
    /// The VIP lies in no subnet of the balancers.
    VipOutside, "vip-outside", Error;
    /// Somebody else speaks VRRP with the cluster's identifier.
    VridInUse, "vrid-in-use", Error;
    /// Another machine has the host's address.
    AddressConflict, "address-conflict", Error;
}

impl FromStr for CheckId {
    type Err = UnknownCheck;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|check| check.as_str() == text).ok_or_else(|| UnknownCheck(text.to_owned()))
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A finding that the operator knows and accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedCheck {
    /// The check.
    pub check: CheckId,
    /// Why it is accepted; not empty.
    pub reason: String,
    /// The hosts on which it is accepted; all when empty.
    pub hosts: Vec<HostName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_read_back() {
        for check in CheckId::ALL {
            assert_eq!(check.as_str().parse(), Ok(*check));
            assert!(check.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{check}");
        }
        assert_eq!("swap".parse::<CheckId>(), Err(UnknownCheck("swap".into())));
    }
}
