//! Steps: what a run does, as data, in a dependency graph.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{HostName, RunId, Taint};
use serde::{Deserialize, Serialize};

use crate::{Blob, Difference, Prior, Probe, Resource, Sweep};

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
    /// Brings a resource back to what it was before some run.
    Restore {
        /// The resource as it is now.
        resource: Resource,
        /// What it goes back to.
        prior: Prior,
        /// The state of before this run is restored.
        before: RunId,
    },
    /// Removes what a component left behind while it ran.
    Sweep {
        /// What.
        sweep: Sweep,
    },
    /// Saves a snapshot of etcd's data on the host, and verifies it.
    Snapshot,
    /// Takes a master out of balance on every balancer, so that new connections go to the others.
    Drain {
        /// The master.
        master: HostName,
        /// The balancers.
        balancers: Vec<HostName>,
    },
    /// Puts masters back into balance on every balancer and waits until each balancer sees them answer.
    Return {
        /// The masters.
        masters: Vec<HostName>,
        /// The balancers.
        balancers: Vec<HostName>,
        /// Seconds after which it has failed.
        timeout_seconds: u32,
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
    /// Deletes objects of add-ons that are not wanted any more. What somebody else has taken over stays.
    RemoveObjects {
        /// The objects as they were applied, JSON texts, deleted in this order.
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
    /// Takes changes of cluster objects and nodes back.
    UndoObjects {
        /// What is taken back, in this order.
        changes: Vec<KubeUndo>,
        /// The state of before this run is restored.
        before: RunId,
    },
    /// Arms the host's dead-man switch: what this run changes there from now on is taken back unless it is confirmed in time.
    Arm {
        /// Seconds within which it must be confirmed.
        seconds: u32,
    },
    /// Connects to every host anew, as an operator would, and then confirms what was changed there.
    Confirm {
        /// The hosts, each armed before.
        hosts: Vec<HostName>,
    },
    /// Waits until something holds in the cluster.
    ClusterGate {
        /// What.
        gate: ClusterGate,
        /// Seconds after which it has failed.
        timeout_seconds: u32,
    },
}

/// One change of the cluster's objects taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KubeUndo {
    /// An object that barque made is deleted.
    Delete {
        /// The object as it was applied, JSON; only its identity counts.
        object: String,
    },
    /// An object goes back to what it was.
    Replace {
        /// The object as it was, JSON, without what the API server fills in.
        object: String,
    },
    /// A node's labels and taints go back to what they were.
    Node {
        /// The node.
        name: String,
        /// Labels to set again, with their former values.
        labels: BTreeMap<String, String>,
        /// Labels to remove.
        remove_labels: Vec<String>,
        /// Taints to set again, with their former values.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taints: Vec<Taint>,
        /// Taints to remove.
        remove_taints: Vec<Taint>,
    },
}

impl KubeUndo {
    /// Whether it concerns an object of an add-on.
    pub fn is_of_addon(&self) -> bool {
        let (Self::Delete { object } | Self::Replace { object }) = self else { return false };
        let value: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
        value["metadata"]["labels"][barque_model::ADDON_LABEL].is_string()
    }

    /// `Kind namespace/name` for people.
    pub fn name(&self) -> String {
        match self {
            Self::Delete { object } | Self::Replace { object } => {
                let value: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
                let text = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_str);
                let (kind, name) = (text("/kind").unwrap_or("?"), text("/metadata/name").unwrap_or("?"));
                text("/metadata/namespace").map_or_else(|| format!("{kind} {name}"), |namespace| format!("{kind} {namespace}/{name}"))
            }
            Self::Node { name, .. } => format!("Node {name}"),
        }
    }
}

impl Action {
    /// Whether the step changes something, as opposed to waiting and observing.
    pub const fn changes(&self) -> bool {
        matches!(
            self,
            Self::Apply { .. }
                | Self::Restore { .. }
                | Self::Sweep { .. }
                | Self::Objects { .. }
                | Self::RemoveObjects { .. }
                | Self::UndoObjects { .. }
                | Self::Node { .. }
        )
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
    /// A DaemonSet has a ready pod of its latest template on every node that it is for.
    DaemonSetReady {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// Every pod of a StatefulSet is ready and of its latest template.
    StatefulSetReady {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// The API servers reach what serves an API group.
    ApiServiceAvailable {
        /// Its name, such as `v1beta1.metrics.k8s.io`.
        name: String,
    },
    /// A path of the API answers.
    Answers {
        /// The path, with a leading `/`.
        path: String,
        /// Entries that the list it answers has at least.
        items: u32,
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

    /// Number of steps per host, hosts in the order of their names, hosts without steps left out.
    pub fn hosts(&self) -> Vec<(HostName, u32)> {
        let mut hosts: BTreeMap<HostName, u32> = BTreeMap::new();
        for host in self.steps.iter().filter_map(|step| step.host.as_ref()) {
            *hosts.entry(host.clone()).or_default() += 1;
        }
        hosts.into_iter().collect()
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
