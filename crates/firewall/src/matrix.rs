//! The port matrix: all flows of a cluster.

use barque_model::{Cluster, HostName};
use serde::{Deserialize, Serialize};

use crate::build;
use crate::flow::{Flow, FlowId};

/// All flows of a cluster, in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matrix {
    /// The flows; each has a source and a destination.
    pub flows: Vec<Flow>,
}

impl Matrix {
    /// Flows that lead to `host`, in the matrix' order.
    pub fn to_host(&self, host: &HostName) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(move |flow| flow.reaches(host))
    }

    /// Flows with `id`: more than one where hosts differ.
    pub fn with_id(&self, id: &FlowId) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(move |flow| flow.id == *id)
    }
}

/// The matrix of `cluster`: same cluster, same matrix.
///
/// It has what the cluster file knows. Name servers, time servers and package mirrors are the hosts' own affair and are not in it; rules let
/// packets out freely.
pub fn matrix(cluster: &Cluster) -> Matrix {
    let mut flows = build::access(cluster);
    flows.extend(build::control(cluster));
    flows.extend(build::pods(cluster));
    flows.extend(build::extra(cluster));
    flows.extend(build::outside(cluster));
    flows.retain(|flow| !flow.from.is_empty() && !flow.to.is_empty());
    Matrix { flows }
}
