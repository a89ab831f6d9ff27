//! Cluster objects that barque applies with server-side apply.

mod dns;
mod rbac;

use barque_model::{Cluster, Release};
use serde_json::{Value, json};

use crate::yaml::sorted;

/// Objects in the order in which they are applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Rights that people and components need; applied as soon as one API server answers, with a credential of `system:masters`.
    pub bootstrap: Vec<Value>,
    /// CoreDNS.
    pub dns: Vec<Value>,
}

/// The objects of `cluster`. All carry the label `app.kubernetes.io/managed-by: barque`, and their keys are sorted.
pub fn objects(cluster: &Cluster, release: &Release) -> Objects {
    Objects { bootstrap: finish(rbac::objects()), dns: finish(dns::objects(cluster, release)) }
}

fn finish(objects: Vec<Value>) -> Vec<Value> {
    objects
        .into_iter()
        .map(|mut object| {
            object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("barque");
            sorted(&object)
        })
        .collect()
}
