//! A plan on disk, with the digests of what it follows from.

use std::collections::BTreeMap;
use std::fmt;

use barque_model::{ClusterName, Digest, HostName};
use serde::{Deserialize, Serialize};

use crate::build::{PlanInputs, node_labels};
use crate::{Observed, PLAN_FORMAT, Plan, ResourceId, UnitState};

/// The format that [`SavedPlan::format`] names.
pub const SAVED_FORMAT: u32 = 1;

/// A plan and the digests of its inputs. The same inputs give the same bytes; it holds no time and no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    /// Version of this format.
    pub format: u32,
    /// The build of barque that made it.
    pub barque: String,
    /// The cluster.
    pub cluster: ClusterName,
    /// Digest of the cluster file.
    pub spec: Digest,
    /// Host to resource to digest of its observation, of hosts that answered.
    pub hosts: BTreeMap<HostName, BTreeMap<ResourceId, Digest>>,
    /// Digest of what the API said of nodes and objects.
    pub facts: Digest,
    /// What it was narrowed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Whether it overwrites what somebody changed by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite_drift: bool,
    /// The plan.
    pub plan: Plan,
}

/// Why a file is no saved plan that can be performed.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It is no JSON.
    #[error("the file is not JSON")]
    Json(#[source] serde_json::Error),
    /// It is JSON of something else.
    #[error("the file is JSON, and not a saved plan")]
    Shape(#[source] serde_json::Error),
    /// Another barque made it.
    #[error("the saved plan has format {found}, and this barque reads format {known}")]
    Format {
        /// Its format.
        found: u64,
        /// The one that can be read.
        known: u32,
    },
}

impl SavedPlanError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Json(_) => "name a file that `barque plan -o FILE` has written, whole and unchanged",
            Self::Shape(_) => "save a plan with `barque plan -o FILE`; the `plan.json` of a past run cannot be performed again",
            Self::Format { .. } => "save the plan again with this barque: `barque plan -o FILE`",
        }
    }
}

impl SavedPlan {
    /// Takes down what `plan` follows from.
    pub fn new(barque: &str, cluster: &ClusterName, spec: &str, inputs: &PlanInputs<'_>, limits: &[String], plan: Plan) -> Self {
        let hosts = inputs.observed.iter().map(|(host, seen)| {
            let resources = seen.resources.iter().map(|(id, observed)| (id.clone(), observation_digest(observed)));
            (host.clone(), resources.collect())
        });
        Self {
            format: SAVED_FORMAT,
            barque: barque.to_owned(),
            cluster: cluster.clone(),
            spec: Digest::of(spec.as_bytes()),
            hosts: hosts.collect(),
            facts: facts_digest(inputs),
            limits: limits.to_vec(),
            overwrite_drift: inputs.overwrite_drift,
            plan,
        }
    }

    /// Reads one. Fields that are not known are left out; another format is an error.
    pub fn read(bytes: &[u8]) -> Result<Self, SavedPlanError> {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(SavedPlanError::Json)?;
        for (pointer, known) in [("/format", SAVED_FORMAT), ("/plan/format", PLAN_FORMAT)] {
            if let Some(found) = value.pointer(pointer).and_then(serde_json::Value::as_u64).filter(|found| *found != u64::from(known)) {
                return Err(SavedPlanError::Format { found, known });
            }
        }
        serde_json::from_value(value).map_err(SavedPlanError::Shape)
    }

    /// Its bytes on disk: readable JSON with a line feed at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising plain data with text keys cannot fail.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Digest of what the plan follows from of nodes and objects: whether each node has registered, the labels and taints that barque sets, and
/// the state of the objects that it applies. Readiness and other people's labels come and go.
fn facts_digest(inputs: &PlanInputs<'_>) -> Digest {
    let mut lines = Vec::new();
    for host in inputs.cluster.hosts.iter().filter(|host| host.is_node()) {
        let Some(node) = inputs.facts.nodes.iter().find(|node| node.name == host.name.as_str()) else { continue };
        let labels: Vec<_> = node_labels(host).into_keys().map(|key| node.labels.get(&key).cloned()).collect();
        let taints: Vec<bool> = host.taints.iter().map(|taint| node.taints.contains(taint)).collect();
        lines.push(format!("{} {labels:?} {taints:?}", node.name));
    }
    let of_addons = inputs.addons.iter().flat_map(|addon| &addon.objects);
    for object in inputs.bootstrap.iter().chain(inputs.dns).chain(of_addons) {
        lines.push(format!("{} {:?}", object.name, inputs.facts.objects.get(&object.name)));
    }
    lines.extend(inputs.unwanted.iter().map(|object| format!("{} is not wanted", object.name)));
    Digest::of(lines.join("\n").as_bytes())
}

/// Digest of what matters of an observation: neither since when a unit runs nor how often it was restarted.
pub fn observation_digest(observed: &Observed) -> Digest {
    let settled = match observed {
        Observed::Unit(state) => Observed::Unit(UnitState { active_since: 0, restarts: 0, ..state.clone() }),
        other => other.clone(),
    };
    // Serialising plain data cannot fail; should it, every observation differs, and the plan is refused.
    Digest::of(&serde_json::to_vec(&settled).unwrap_or_else(|error| error.to_string().into_bytes()))
}

/// Something that is not as it was when a plan was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// Another barque would perform it.
    Barque {
        /// The build that saved it.
        saved: String,
        /// The present build.
        now: String,
    },
    /// It is a plan for another cluster.
    Cluster {
        /// The plan's cluster.
        saved: ClusterName,
    },
    /// The cluster file was changed.
    Spec,
    /// A host answers that did not.
    HostCame(HostName),
    /// A host does not answer that did.
    HostWent(HostName),
    /// A resource is in another state.
    Resource {
        /// The host.
        host: HostName,
        /// The resource.
        resource: ResourceId,
    },
    /// Nodes or objects are in another state.
    ClusterFacts,
    /// The steps differ for another reason, such as a certificate that has come near its end.
    Steps,
}

impl fmt::Display for Moved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Barque { saved, now } => write!(formatter, "it was made by barque {saved}, and this is {now}"),
            Self::Cluster { saved } => write!(formatter, "it is for the cluster `{saved}`"),
            Self::Spec => formatter.write_str("the cluster file was changed"),
            Self::HostCame(host) => write!(formatter, "{host} answers now and did not then"),
            Self::HostWent(host) => write!(formatter, "{host} answered then and does not now"),
            Self::Resource { host, resource } => write!(formatter, "{resource} on {host} is not as it was"),
            Self::ClusterFacts => formatter.write_str("nodes or objects in the cluster are not as they were"),
            Self::Steps => {
                formatter.write_str("other steps are needed than then, for instance because a certificate has come near its end")
            }
        }
    }
}

/// Says what has moved between a saved plan and the one that would be made now; empty when `now` is the same plan for the same reasons.
pub fn moved(saved: &SavedPlan, now: &SavedPlan) -> Vec<Moved> {
    let mut found = Vec::new();
    if saved.barque != now.barque {
        found.push(Moved::Barque { saved: saved.barque.clone(), now: now.barque.clone() });
    }
    if saved.cluster != now.cluster {
        found.push(Moved::Cluster { saved: saved.cluster.clone() });
    }
    if saved.spec != now.spec {
        found.push(Moved::Spec);
    }
    found.extend(saved.hosts.keys().filter(|host| !now.hosts.contains_key(*host)).cloned().map(Moved::HostWent));
    found.extend(now.hosts.keys().filter(|host| !saved.hosts.contains_key(*host)).cloned().map(Moved::HostCame));
    for (host, then) in &saved.hosts {
        let Some(today) = now.hosts.get(host) else { continue };
        // A resource that only one of them knows follows from the file, which is named by itself.
        let changed = then.iter().filter(|(id, digest)| today.get(*id).is_some_and(|today| today != *digest));
        found.extend(changed.map(|(id, _)| Moved::Resource { host: host.clone(), resource: id.clone() }));
    }
    if saved.facts != now.facts {
        found.push(Moved::ClusterFacts);
    }
    if found.is_empty() && (saved.plan != now.plan || saved.limits != now.limits) {
        found.push(Moved::Steps);
    }
    found
}
