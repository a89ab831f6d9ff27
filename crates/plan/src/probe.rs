//! Observations that a step waits for: gates are made of them.

use serde::{Deserialize, Serialize};

/// Something an agent observes on or from its host, again and again until it holds or the time is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// The etcd cluster has `members` members, each healthy, and one leader. Asked with `etcdctl` on an etcd host.
    EtcdHealthy {
        /// Client URLs of the members.
        endpoints: Vec<String>,
        /// Members expected.
        members: u32,
    },
    /// `GET SERVER/readyz` answers 200 over TLS verified with `/etc/kubernetes/pki/ca.crt` (sent along for hosts without it).
    ApiReady {
        /// Base URL, such as `https://10.0.0.11:6443`.
        server: String,
        /// PEM of the certificate authority.
        authority: String,
    },
    /// The address is on one of this host's interfaces (`true`), or not (`false`).
    HoldsAddress {
        /// The address.
        address: String,
        /// What must be true.
        held: bool,
    },
    /// A unit is active and stays so for some seconds.
    UnitStable {
        /// The unit.
        unit: String,
        /// How long, in seconds.
        seconds: u32,
    },
    /// A path is there.
    PathExists {
        /// Absolute path.
        path: String,
    },
    /// containerd pulls an image, as it would for a pod; what it fetched is removed again. Asked with `ctr`.
    ImagePulls {
        /// Reference in full.
        image: String,
        /// Folder with the settings of registries.
        settings: String,
        /// URLs of those who are asked, in order, for people.
        asked: Vec<String>,
    },
    /// A DNS server answers a query with an address.
    DnsAnswers {
        /// Server address, port 53.
        server: String,
        /// Fully qualified name.
        name: String,
        /// The IPv4 address expected.
        address: String,
    },
}
