//! Calls and changes through the Kubernetes API.

use std::collections::BTreeMap;
use std::time::Duration;

use barque_model::{DeploymentState, KubeAccess, NodeState, ObjectState, RunId, Taint};
use barque_plan::{ClusterGate, KubeUndo};
use serde::{Deserialize, Serialize};

use super::as_json;

/// Asks for a change through the Kubernetes API, journalled on the host that makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KubeChangeRequest {
    /// The run that asks.
    pub run: RunId,
    /// Title of the step.
    pub step: String,
    /// How the API is reached.
    pub access: KubeAccess,
    /// What to change.
    pub change: KubeChange,
}

/// A change through the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KubeChange {
    /// Server-side apply of the objects (JSON), in order.
    Apply(Vec<String>),
    /// Sets labels and taints of a node.
    SetNode {
        /// The node.
        name: String,
        /// Labels to set.
        labels: BTreeMap<String, String>,
        /// Taints that must be there.
        taints: Vec<Taint>,
    },
    /// Deletes add-ons' objects (JSON), in order, when they still belong to the add-on that they name.
    Remove(Vec<String>),
    /// Takes changes back, in order; the state of before `before` is restored.
    Undo {
        /// What.
        #[serde(with = "as_json")]
        changes: Vec<KubeUndo>,
        /// The first run that is taken back.
        before: RunId,
    },
}

/// Something asked of the Kubernetes API from this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KubeCall {
    /// `/readyz`, once.
    Ready,
    /// All nodes.
    Nodes,
    /// What a server-side apply of each object (JSON) would do.
    Objects(Vec<String>),
    /// Waits until something holds.
    Gate {
        /// What.
        #[serde(with = "as_json")]
        gate: ClusterGate,
        /// For how long at most.
        timeout: Duration,
    },
    /// Progress of a Deployment.
    Deployment {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// The objects as they are, by what was applied (JSON).
    Live(Vec<String>),
    /// Whether each object (JSON) is there. Nothing of its content is read.
    Present(Vec<String>),
    /// `GET` of a path; answers the JSON text.
    Get {
        /// The path, with a leading `/`.
        path: String,
    },
}

/// The Kubernetes API's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KubeAnswer {
    /// It is ready, or the gate holds.
    Done,
    /// Nodes.
    Nodes(Vec<NodeState>),
    /// Objects, in the order asked.
    Objects(Vec<ObjectState>),
    /// Whether the node was changed.
    Changed(bool),
    /// A Deployment.
    Deployment(DeploymentState),
    /// JSON.
    Json(String),
    /// Objects as they are, JSON, in the order asked; `None` for one that is not there.
    Live(Vec<Option<String>>),
    /// Whether each is there, in the order asked.
    Present(Vec<bool>),
}
