//! A machine of the cluster and how it is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Component, HostName, Role};

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

/// A node taint, `key=value:effect`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, empty for none.
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

impl fmt::Display for Taint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(formatter, "{}:{}", self.key, self.effect)
        } else {
            write!(formatter, "{}={}:{}", self.key, self.value, self.effect)
        }
    }
}

/// What a taint does (the three effects of the core/v1 API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// Running pods leave too.
    NoExecute,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}
