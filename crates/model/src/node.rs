//! What the Kubernetes API says of nodes and objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{SecretBytes, Taint};

/// How to reach an API server and as whom. Travels to an agent in memory only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeAccess {
    /// Base URL, such as `https://10.0.0.11:6443`.
    pub server: String,
    /// PEM of the certificate authority.
    pub authority: String,
    /// PEM of the client certificate.
    pub certificate: String,
    /// PEM of the client's private key.
    pub key: SecretBytes,
}

/// A node as the API sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Node name.
    pub name: String,
    /// Whether condition `Ready` is `True`.
    pub ready: bool,
    /// Message of condition `Ready` when it is not `True`.
    pub message: String,
    /// kubelet's version, such as `v1.37.2`.
    pub version: String,
    /// Addresses of type `InternalIP`.
    pub addresses: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
}

/// Identity of an object and what a server-side apply would do to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectState {
    /// `Kind namespace/name` or `Kind name`.
    pub name: String,
    /// Whether it is there and as wanted.
    pub state: ObjectDifference,
    /// Fields that an apply would take from somebody else, each with its owner, such as `` `.spec.replicas` belongs to `kubectl` ``.
    pub conflicts: Vec<String>,
}

/// The label that names the add-on that an object belongs to.
pub const ADDON_LABEL: &str = "barque.dev/addon";

/// The annotation that names what barque last applied: the digest of the object without it.
pub const APPLIED_ANNOTATION: &str = "barque.dev/applied";

/// What a server-side apply would do to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectDifference {
    /// Create it.
    Absent,
    /// Change it.
    Differs,
    /// Change back what somebody changed since barque applied it: its [`APPLIED_ANNOTATION`] is the one wanted.
    Edited,
    /// Nothing.
    Same,
}

/// A Deployment's progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentState {
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas of the present template that are ready.
    pub ready: u32,
    /// Nodes that run ready replicas, sorted, without duplicates.
    pub nodes: Vec<String>,
    /// Why pods are not ready, a line each (waiting reasons, unschedulable messages).
    pub problems: Vec<String>,
}
