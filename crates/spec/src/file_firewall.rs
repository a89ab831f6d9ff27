//! The firewall section of the cluster file.

use barque_model::{FirewallBackend, TransportProtocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{self, Field, Text};
use crate::file_host::RoleWord;

/// Packet filters of the hosts. `barque firewall table` shows what the cluster needs; nothing is changed on hosts before `barque firewall apply`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct FirewallEntry {
    /// What filters packets on the hosts. Everything that the cluster does not need is dropped.
    #[serde(default = "none")]
    pub(crate) backend: Field<BackendChoice>,
    /// Where operators' machines are (IPv4, canonical). Tables name them, and they may use the API. The hosts' own rules keep SSH open to everybody, so that a wrong range locks nobody out.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "not known"))]
    pub(crate) operator_networks: Field<Vec<Field<String>>>,
    /// Who uses the API besides hosts, pods and operators (IPv4, canonical).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "anyone"))]
    pub(crate) api_sources: Field<Vec<Field<String>>>,
    /// Who uses node ports (IPv4, canonical).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "anyone"))]
    pub(crate) node_port_sources: Field<Vec<Field<String>>>,
    /// Flows to hosts that barque cannot know of: monitoring, pods with a port of their host (`hostPort`) or its network (`hostNetwork`).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) extra_flows: Field<Vec<Field<ExtraFlowEntry>>>,
}

/// A flow to hosts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ExtraFlowEntry {
    /// Name, unique: 1 to 40 of `a-z`, `0-9` and `-`. Its rules are called `extra-NAME`.
    pub(crate) name: Field<String>,
    /// Which hosts are reached, by role.
    pub(crate) to: Field<Vec<Field<RoleWord>>>,
    /// Who reaches them: IPv4 ranges, roles, or `pods` for the pods of the same host (those of other hosts come with their host's address).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "anyone"))]
    pub(crate) from: Field<Vec<Field<String>>>,
    /// Protocol.
    #[serde(default = "tcp")]
    pub(crate) protocol: Field<ProtocolWord>,
    /// Port, or first and last with a hyphen.
    pub(crate) ports: Field<Text>,
}

/// What filters packets.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackendChoice {
    /// nftables: a table of barque's own.
    Nftables,
    /// iptables: chains of barque's own.
    Iptables,
    /// firewalld: policies of barque's own, for hosts where it runs already.
    Firewalld,
    /// Hosts' packet filters are left alone.
    None,
}

impl From<BackendChoice> for FirewallBackend {
    fn from(word: BackendChoice) -> Self {
        match word {
            BackendChoice::Nftables => Self::Nftables,
            BackendChoice::Iptables => Self::Iptables,
            BackendChoice::Firewalld => Self::Firewalld,
            BackendChoice::None => Self::None,
        }
    }
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProtocolWord {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl From<ProtocolWord> for TransportProtocol {
    fn from(word: ProtocolWord) -> Self {
        match word {
            ProtocolWord::Tcp => Self::Tcp,
            ProtocolWord::Udp => Self::Udp,
        }
    }
}

fn none() -> Field<BackendChoice> {
    field::default(BackendChoice::None)
}

fn tcp() -> Field<ProtocolWord> {
    field::default(ProtocolWord::Tcp)
}
