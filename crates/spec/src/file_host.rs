//! Hosts of the cluster file, and how they are reached.

use std::collections::BTreeMap;

use barque_model::{Role, Sudo, TransportKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{self, Field};
use crate::file::EffectWord;

/// One machine of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct HostEntry {
    /// Name, unique: 1 to 63 of `a-z`, `0-9` and `-`. It is also the Kubernetes node name; the machine's own hostname is left alone.
    pub(crate) name: Field<String>,
    /// IPv4 address that the other hosts use, unique. Components listen on it and certificates carry it.
    pub(crate) address: Field<String>,
    /// What the host does, one role or more. `loadBalancer` stands alone unless the host is named in `spec.loadBalancer.allowSharedHosts`.
    pub(crate) roles: Field<Vec<Field<RoleWord>>>,
    /// How this host is reached by SSH, where it differs from `spec.ssh`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh`"))]
    pub(crate) ssh: Field<HostSsh>,
    /// Node labels, key to value. Only hosts with role `master` or `node` are nodes.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) labels: Field<BTreeMap<String, Field<String>>>,
    /// Node taints, besides `node-role.kubernetes.io/control-plane:NoSchedule`, which every master gets.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) taints: Field<Vec<Field<TaintEntry>>>,
}

/// What a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RoleWord {
    /// Runs a member of the etcd cluster.
    Etcd,
    /// Runs haproxy and keepalived, and may hold the virtual IP address.
    LoadBalancer,
    /// Runs kube-apiserver, kube-controller-manager and kube-scheduler, and is a tainted node.
    Master,
    /// Runs workloads.
    Node,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Etcd => Self::Etcd,
            RoleWord::LoadBalancer => Self::LoadBalancer,
            RoleWord::Master => Self::Master,
            RoleWord::Node => Self::Node,
        }
    }
}

/// A node taint.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct TaintEntry {
    /// Key, in the syntax of a label's key.
    pub(crate) key: Field<String>,
    /// Value, in the syntax of a label's value.
    #[serde(default = "no_text")]
    pub(crate) value: Field<String>,
    /// What it does to pods that do not tolerate it.
    pub(crate) effect: Field<EffectWord>,
}

fn no_text() -> Field<String> {
    field::default("")
}

/// How root is reached when the login user is not root.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SudoWord {
    /// The login user is root.
    None,
    /// `sudo` asks for nothing.
    Passwordless,
    /// `sudo` asks for the login user's password; barque asks the operator for it once per run and never stores it.
    Password,
}

impl From<SudoWord> for Sudo {
    fn from(word: SudoWord) -> Self {
        match word {
            SudoWord::None => Self::None,
            SudoWord::Passwordless => Self::Passwordless,
            SudoWord::Password => Self::Password,
        }
    }
}

/// Which SSH client carries the connection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TransportWord {
    /// In-process SSH; needs no ssh program.
    Builtin,
    /// The system's `ssh` program, for what only it can do (GSSAPI, hardware tokens, `Match exec`).
    System,
}

impl From<TransportWord> for TransportKind {
    fn from(word: TransportWord) -> Self {
        match word {
            TransportWord::Builtin => Self::Builtin,
            TransportWord::System => Self::System,
        }
    }
}

/// How hosts are reached by SSH.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct SshDefaults {
    /// Login user.
    #[serde(default = "root")]
    pub(crate) user: Field<String>,
    /// TCP port.
    #[serde(default = "ssh_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Field<u16>,
    /// Private key file on the operator's machine. `~/` is the operator's home; other relative paths start at the cluster file's directory.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the SSH agent, then the keys that `ssh_config` names"))]
    pub(crate) key: Field<String>,
    /// Host to go through (`ProxyJump`).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) jump: Field<JumpEntry>,
    /// How root is reached when `user` is not root.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`none` for root, else `passwordless`"))]
    pub(crate) sudo: Field<SudoWord>,
    /// Which SSH client is used.
    #[serde(default = "builtin")]
    pub(crate) transport: Field<TransportWord>,
}

/// How one host is reached by SSH.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct HostSsh {
    /// Address or name to connect to; aliases of `ssh_config` work.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the host's `address`"))]
    pub(crate) address: Field<String>,
    /// Login user.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh.user`"))]
    pub(crate) user: Field<String>,
    /// TCP port.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 1, max = 65535), extend("x-default" = "`spec.ssh.port`"))]
    pub(crate) port: Field<u16>,
    /// Private key file on the operator's machine.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh.key`"))]
    pub(crate) key: Field<String>,
    /// Host to go through; replaces `spec.ssh.jump` as a whole.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh.jump`"))]
    pub(crate) jump: Field<JumpEntry>,
    /// How root is reached when `user` is not root.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh.sudo`"))]
    pub(crate) sudo: Field<SudoWord>,
    /// Which SSH client is used.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`spec.ssh.transport`"))]
    pub(crate) transport: Field<TransportWord>,
}

/// A host through which others are reached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct JumpEntry {
    /// Address or name.
    pub(crate) address: Field<String>,
    /// Login user.
    #[serde(default = "root")]
    pub(crate) user: Field<String>,
    /// TCP port.
    #[serde(default = "ssh_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Field<u16>,
    /// Private key file on the operator's machine.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the same means as for the host"))]
    pub(crate) key: Field<String>,
}

fn root() -> Field<String> {
    field::default("root")
}

fn ssh_port() -> Field<u16> {
    field::default(22_u16)
}

fn builtin() -> Field<TransportWord> {
    field::default(TransportWord::Builtin)
}
