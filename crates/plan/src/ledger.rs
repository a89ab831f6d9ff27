//! What barque has applied to a host, as its journals tell, and what taking it back would restore.

use barque_model::RunId;
use serde::{Deserialize, Serialize};

use crate::{Prior, Resource, ResourceId};

/// A resource that barque manages on a host: the sum of the host's journals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// The resource as it was last applied (or restored to).
    pub resource: Resource,
    /// The run that did so.
    pub run: RunId,
    /// What was there before barque ever touched it.
    pub original: Prior,
    /// Whether the last change was left open by a crash or failed: what is on the host may be the old or the new state.
    pub uncertain: bool,
}

/// A cluster object as a master's agent left it: the sum of that master's journals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEntry {
    /// `Kind namespace/name`.
    pub name: String,
    /// The object as it was applied or brought back, JSON; `None` when it was deleted or had not been there.
    pub object: Option<String>,
    /// The run that left it so.
    pub run: RunId,
}

/// One resource that a rollback brings back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoItem {
    /// The resource as the runs taken back left it.
    pub resource: Resource,
    /// What it goes back to: its state before the first of those runs that changed it.
    pub prior: Prior,
    /// The first of those runs that changed it.
    pub run: RunId,
}

impl LedgerEntry {
    /// Identity of the resource.
    pub fn id(&self) -> ResourceId {
        self.resource.id()
    }
}

/// What a component leaves behind on a host beside its files, removed when the component itself goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Sweep {
    /// Every pod's containers are ended, and what kubelet mounted is unmounted. kubelet has ended; containerd still runs.
    Pods,
    /// Network interfaces, network namespaces and packet-filter rules that flannel, the CNI plugins and kube-proxy made.
    Network,
    /// Files and folders that components wrote while they ran, removed with all that is in them. Mounts below are undone first.
    Paths {
        /// Absolute paths.
        paths: Vec<String>,
    },
}
