//! A machine of the cluster and how it is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Component, HostName, Role, Taint, TaintEffect};

/// Key of the taint that keeps pods off masters (Kubernetes, "Well-Known Labels, Annotations and Taints").
pub const CONTROL_PLANE_TAINT: &str = "node-role.kubernetes.io/control-plane";

/// One machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, which is also its node name.
    pub name: HostName,
    /// The address that the other hosts use; certificates carry it and components listen on it.
    pub address: IpAddr,
    /// What it does.
    pub roles: BTreeSet<Role>,
    /// How the operator's machine reaches it.
    pub ssh: Ssh,
    /// Node labels, key to value.
    pub labels: BTreeMap<String, String>,
    /// Node taints besides the one that every master gets.
    pub taints: Vec<Taint>,
}

impl Host {
    /// Whether it has `role`.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it runs `component`.
    pub fn runs(&self, component: Component) -> bool {
        self.roles.iter().any(|role| component.runs_on(*role))
    }

    /// Whether it is a Kubernetes node (masters are, with a taint).
    pub fn is_node(&self) -> bool {
        self.runs(Component::Kubelet)
    }

    /// All taints of its node: that of the control plane, which masters have that are not nodes as well, and its own.
    pub fn all_taints(&self) -> Vec<Taint> {
        let is_tainted_master = self.has(Role::Master) && !self.has(Role::Node);
        let master = Taint { key: CONTROL_PLANE_TAINT.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
        is_tainted_master.then_some(master).into_iter().chain(self.taints.iter().cloned()).collect()
    }
}

/// How a host is reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Address or name to connect to; `ssh_config` aliases work.
    pub address: String,
    /// Login user.
    pub user: String,
    /// TCP port, 22 by default.
    pub port: u16,
    /// Private key file; without it the agent and the keys that `ssh_config` names are tried.
    pub key: Option<PathBuf>,
    /// A host to go through.
    pub jump: Option<JumpHost>,
    /// How root is reached when `user` is not root.
    pub sudo: Sudo,
    /// Which SSH client is used.
    pub transport: TransportKind,
}

/// A host through which another one is reached (`ProxyJump`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JumpHost {
    /// Address or name.
    pub address: String,
    /// Login user.
    pub user: String,
    /// TCP port.
    pub port: u16,
    /// Private key file; without it the same means as for the host are tried.
    pub key: Option<PathBuf>,
}

/// How root is reached on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sudo {
    /// The login user is root.
    None,
    /// `sudo` asks for nothing.
    Passwordless,
    /// `sudo` asks for the login user's password, which barque asks the operator for once per run.
    Password,
}

/// Which SSH client carries the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransportKind {
    /// In-process SSH.
    Builtin,
    /// The system's `ssh` program, for what only it can do (GSSAPI, hardware tokens, `Match exec`).
    System,
}
