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
