//! Runs as a host knows them: its lock, its journals, what they take back and the space that they take.

use barque_model::RunId;
use barque_plan::{KubeUndo, UndoItem};
use serde::{Deserialize, Serialize};

use super::as_json;

/// Asks for a host's run lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRequest {
    /// Who asks, as JSON (`barque_store::LockOwner`); shown to whoever comes next.
    pub owner: String,
    /// The run.
    pub run: RunId,
    /// Identity of the operator's state directory. An agent that an earlier, dead run of the same directory left behind is ended; the
    /// directory's own lock says that it is dead.
    pub origin: String,
    /// Whether the agent of any other run that holds the lock is ended too.
    pub break_lock: bool,
}

/// Whether the lock was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockAnswer {
    /// It was; held until the connection ends.
    Taken,
    /// Another run holds it: its owner, as it wrote it.
    Held {
        /// JSON of the owner; empty when it could not be read.
        owner: String,
    },
}

/// Arms a host's dead-man switch: the run is taken back unless a new connection confirms it in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRequest {
    /// The lock of the run that may cut the operator off.
    pub lock: LockRequest,
    /// The run that takes it back. Later than that run and earlier than any other, by the operator's clock.
    pub undo: RunId,
    /// Seconds within which it must be confirmed, from now on.
    pub seconds: u32,
}

/// What a rollback would restore on a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UndoAnswer {
    /// Resources of the host.
    #[serde(with = "as_json")]
    pub items: Vec<UndoItem>,
    /// Cluster objects that this host's agent changed, latest first.
    #[serde(with = "as_json")]
    pub kube: Vec<KubeUndo>,
}

/// A run as a host's journal tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRun {
    /// The run.
    pub run: RunId,
    /// Resources and cluster objects that it changed, or may have changed by a change that failed.
    pub changed: u32,
    /// Changes whose outcome was never recorded.
    pub open: u32,
    /// Whether it was a rollback.
    pub restores: bool,
    /// Whether a later rollback has taken it back.
    pub taken_back: bool,
    /// Why the host itself made it, if it did: the dead-man switch took another run back.
    pub reason: Option<String>,
}

/// The runs that a host's journals know, oldest first, and the space that they take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRuns {
    /// The runs.
    pub runs: Vec<HostRun>,
    /// Space taken.
    pub space: DiskUse,
}

/// Bytes that barque's own folder takes on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskUse {
    /// Content store.
    pub store: u64,
    /// Former contents.
    pub prior: u64,
    /// Journals.
    pub journals: u64,
    /// Snapshots of etcd.
    pub snapshots: u64,
    /// The agents.
    pub agents: u64,
}
