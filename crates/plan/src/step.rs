//! Steps: what a run does, as data, in a dependency graph.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{HostName, Taint};
use serde::{Deserialize, Serialize};

use crate::{Blob, Difference, Probe, Resource};

/// A step's number within its plan, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId(pub u32);

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The stage it is shown under.
    pub stage: Stage,
    /// The host whose agent runs it; `None` for what any master can do.
    pub host: Option<HostName>,
    /// A phrase for people, such as `start etcd.service`.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// Steps that must have ended well before it starts.
    pub after: Vec<StepId>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Brings content into the host's store.
    Transfer {
        /// The content.
        blob: Blob,
        /// What it is, for people.
        name: String,
    },
    /// Makes a resource so.
    Apply {
        /// The resource.
        resource: Resource,
        /// What differs.
        difference: Difference,
        /// Units of the host that read the resource at start and must take up the change.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stales: Vec<String>,
    },
    /// Waits until an observation on the host holds.
    Gate {
        /// The observation.
        probe: Probe,
        /// Seconds after which it has failed.
        timeout_seconds: u32,
    },
    /// Waits until exactly one of some hosts holds an address.
    AddressGate {
        /// The virtual IP address.
        address: String,
        /// The hosts that may hold it.
        hosts: Vec<HostName>,
        /// Seconds after which it has failed.
        timeout_seconds: u32,
    },
    /// Creates or changes cluster objects by server-side apply.
    Objects {
        /// The objects as JSON texts, applied in this order.
        objects: Vec<String>,
        /// Their names, `Kind namespace/name`.
        names: Vec<String>,
    },
    /// Sets a node's labels and taints.
    Node {
        /// The node.
        node: HostName,
        /// Labels to set, key to value.
        labels: BTreeMap<String, String>,
        /// Taints that must be there.
        taints: Vec<Taint>,
    },
    /// Waits until something holds in the cluster.
    ClusterGate {
        /// What.
        gate: ClusterGate,
        /// Seconds after which it has failed.
        timeout_seconds: u32,
    },
}

impl Action {
    /// Whether the step changes something, as opposed to waiting and observing.
    pub const fn changes(&self) -> bool {
        matches!(self, Self::Apply { .. } | Self::Objects { .. } | Self::Node { .. })
    }
}

/// Something that must hold in the cluster, asked through the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClusterGate {
    /// The nodes have registered (ready or not).
    NodesRegistered {
        /// The nodes.
        nodes: Vec<HostName>,
    },
    /// The nodes are Ready.
    NodesReady {
        /// The nodes.
        nodes: Vec<HostName>,
    },
    /// All replicas of a Deployment are ready, on so many different nodes.
    DeploymentReady {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Different nodes at least.
        nodes: u32,
    },
}

/// A whole plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub format: u32,
    /// The steps; a step comes after all that it needs.
    pub steps: Vec<Step>,
}

/// The format that [`Plan::format`] names.
pub const PLAN_FORMAT: u32 = 1;

impl Plan {
    /// Steps that change something.
    pub fn changes(&self) -> usize {
        self.steps.iter().filter(|step| step.action.changes()).count()
    }

    /// Number of steps per stage, in stage order, stages without steps left out.
    pub fn stages(&self) -> Vec<(Stage, u32)> {
        Stage::ALL
            .iter()
            .map(|stage| (*stage, u32::try_from(self.steps.iter().filter(|step| step.stage == *stage).count()).unwrap_or(u32::MAX)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
