//! Services on the host: etcd and haproxy.

use serde::{Deserialize, Serialize};

/// Something asked of haproxy's admin socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HaproxyCommand {
    /// The servers of the backend `masters`.
    Servers,
    /// New connections go elsewhere.
    Drain {
        /// The server.
        server: String,
    },
    /// The server is in balance again when its checks say so.
    Ready {
        /// The server.
        server: String,
    },
}

/// A server of haproxy's backend `masters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendServer {
    /// Its name: a master's.
    pub name: String,
    /// Whether it takes new connections: its checks succeed and it is not drained.
    pub up: bool,
    /// haproxy's word for its state, such as `UP`, `DOWN` or `DRAIN`.
    pub status: String,
    /// Whether it was drained by hand or by barque.
    pub drained: bool,
    /// Connections in progress.
    pub sessions: u32,
}

/// A verified snapshot of etcd's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotInfo {
    /// Its file on the host.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The revision that it holds.
    pub revision: u64,
    /// Keys in it.
    pub keys: u64,
}

/// A member of the etcd cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdMember {
    /// Member name; empty when the cluster cannot tell (it has no quorum).
    pub name: String,
    /// Member id, hexadecimal; empty when it does not answer.
    pub id: String,
    /// Identity of the cluster that it belongs to, hexadecimal.
    pub cluster: String,
    /// The endpoint asked.
    pub endpoint: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it commits proposals.
    pub healthy: bool,
    /// Version, such as `3.6.14`.
    pub version: String,
    /// Size of its database in bytes.
    pub db_size: u64,
    /// Whether it is a learner, without a vote.
    pub learner: bool,
}
