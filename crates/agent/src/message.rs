//! What client and agent say to each other. Bodies are postcard, which does not describe itself: types with `serde(tag)` travel as
//! JSON texts.

use std::collections::BTreeMap;
use std::time::Duration;

use barque_event::Failure;
use barque_model::{DeploymentState, KubeAccess, NodeState, ObjectState, RunId, SecretBytes, Taint};
use barque_plan::{Blob, Change, ClusterGate, HostFacts, Observed, Probe, Resource, ResourceId};
use serde::{Deserialize, Serialize};

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    Facts,
    Observe(Vec<Resource>),
    Missing(Vec<Blob>),
    /// Chunks follow.
    Put {
        blob: Blob,
        compressed_size: u64,
    },
    Apply(Box<ApplyRequest>),
    Probe {
        probe: Probe,
        timeout: Duration,
        interval: Duration,
    },
    EtcdStatus {
        endpoints: Vec<String>,
    },
    Kube {
        access: KubeAccess,
        call: KubeCall,
    },
    Journal {
        unit: String,
        lines: u32,
    },
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Facts(Box<HostFacts>),
    Observed(Vec<Observed>),
    Missing(Vec<Blob>),
    Done,
    Applied(Applied),
    EtcdStatus(Vec<EtcdMember>),
    Kube(KubeAnswer),
    Journal(Vec<String>),
}

/// The body of an answer frame.
pub(crate) type Reply = Result<Answer, Failure>;

/// The body of the greeting frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    pub(crate) open_intents: Vec<OpenIntent>,
}

/// Asks an agent to make a resource so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The run that asks.
    pub run: RunId,
    /// Title of the step, for journal and failures.
    pub step: String,
    /// The resource.
    pub resource: Resource,
    /// Content of a file, as rendered; without it only mode and owner can be changed.
    pub content: Option<SecretBytes>,
    /// What the plan wants done; a restart is never weakened to a reload.
    pub change: Option<Change>,
    /// Units that read the resource at start. They are marked before the change, so that they take it up even if this agent dies next.
    pub stales: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Whether anything was changed.
    pub changed: bool,
    /// What a person should know although it is no failure.
    pub notes: Vec<String>,
}

/// A change that an earlier run began and whose end was not recorded, because the agent or the host died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// The run.
    pub run: RunId,
    /// Number within the run's journal.
    pub seq: u64,
    /// Title of the step.
    pub step: String,
    /// What was being changed.
    pub resource: ResourceId,
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

/// Something asked of the Kubernetes API from this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KubeCall {
    /// `/readyz`, once.
    Ready,
    /// All nodes.
    Nodes,
    /// What a server-side apply of each object (JSON) would do.
    Objects(Vec<String>),
    /// Server-side apply of the objects (JSON), in order; answers what each was.
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
}

/// Carries a value as a JSON text inside postcard.
mod as_json {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(value).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Digest, Owner};
    use barque_plan::{Archive, Binary, Directory, File, HostsLine, Image, OnChange, Package, Sysctl, Unit, User};

    use super::*;

    fn blob() -> Blob {
        Blob { digest: Digest::of(b"x"), size: 1 }
    }

    fn every_resource() -> Vec<Resource> {
        let (path, owner, digest) = ("/x".to_owned(), Owner::of("etcd"), Digest::of(b"x"));
        vec![
            Resource::Directory(Directory { path: path.clone(), mode: 0o755, owner: owner.clone() }),
            Resource::File(File { path: path.clone(), digest, mode: 0o600, owner, sensitive: true }),
            Resource::Binary(Binary { path, version: "1".into(), blob: blob() }),
            Resource::Unit(Unit {
                name: "x.service".into(),
                fingerprint: digest,
                on_change: OnChange::Reload,
                start_timeout_seconds: 9,
                restart_limit: 4,
            }),
            Resource::User(User { name: "x".into(), home: "/x".into() }),
            Resource::Sysctl(Sysctl { key: "a.b".into(), value: "1".into(), required: true }),
            Resource::Package(Package {
                name: "x".into(),
                archives: vec![Archive { name: "x".into(), version: "1".into(), blob: blob() }],
            }),
            Resource::Image(Image { reference: "x:1".into(), blob: blob() }),
            Resource::HostsLine(HostsLine { address: "10.0.0.1".into(), names: vec!["m1".into()] }),
        ]
    }

    fn round_trip(request: &Request) {
        let bytes = postcard::to_stdvec(request).unwrap();
        assert_eq!(&postcard::from_bytes::<Request>(&bytes).unwrap(), request);
    }

    #[test]
    fn messages_survive_postcard() {
        let run: RunId = "20261125T020304Z-1a2b".parse().unwrap();
        round_trip(&Request::Observe(every_resource()));
        for resource in every_resource() {
            round_trip(&Request::Apply(Box::new(ApplyRequest {
                run: run.clone(),
                step: "s".into(),
                resource,
                content: Some(SecretBytes::new(*b"secret")),
                change: Some(Change::Create),
                stales: vec!["x.service".into()],
            })));
        }
        let access =
            KubeAccess { server: "https://x".into(), authority: "a".into(), certificate: "c".into(), key: SecretBytes::new(*b"k") };
        let gate = ClusterGate::NodesReady { nodes: vec!["m1".parse().unwrap()] };
        round_trip(&Request::Kube { access: access.clone(), call: KubeCall::Gate { gate, timeout: Duration::from_secs(3) } });
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        round_trip(&Request::Kube { access, call: KubeCall::SetNode { name: "m1".into(), labels, taints: Vec::new() } });
        let reply: Reply = Err(Failure { host: Some("m1".parse().unwrap()), ..Failure::new("no").with_hint("do") });
        let bytes = postcard::to_stdvec(&reply).unwrap();
        assert_eq!(postcard::from_bytes::<Reply>(&bytes).unwrap(), reply);
    }

    #[test]
    fn secrets_do_not_show() {
        let request = ApplyRequest {
            run: "20261125T020304Z-1a2b".parse().unwrap(),
            step: "s".into(),
            resource: every_resource().remove(1),
            content: Some(SecretBytes::new(*b"hunter2")),
            change: Some(Change::Update),
            stales: vec!["x.service".into()],
        };
        assert!(!format!("{request:?}").contains("hunter2") && !format!("{request:?}").contains("104, 117"));
    }
}
