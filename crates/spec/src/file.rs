//! The cluster file, version 1, as it is written. Doc comments here are the schema's descriptions and the reference's text.

use std::collections::BTreeMap;

use barque_model::{Component, TaintEffect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Field, Text};
use crate::file_addons::AddonEntry;
use crate::file_checks::Checks;
use crate::file_firewall::FirewallEntry;
use crate::file_host::{HostEntry, SshDefaults};
use crate::file_registries::RegistryEntry;
use crate::file_settings::{Balancer, KubeletEntry, Logs, NetworkEntry, RuntimeEntry};

/// A cluster that barque deploys and runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ClusterFile {
    /// Version of this format.
    pub(crate) api_version: Field<ApiVersion>,
    /// Kind of object.
    pub(crate) kind: Field<Kind>,
    /// Identity of the cluster.
    pub(crate) metadata: Field<Metadata>,
    /// What the cluster is to be.
    pub(crate) spec: Field<Spec>,
}

/// Version of the format.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) enum ApiVersion {
    #[serde(rename = "barque.dev/v1")]
    V1,
}

/// Kind of object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Kind {
    Cluster,
}

/// Identity of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// Name of the cluster: 1 to 63 of `a-z`, `0-9` and `-`. Certificates, the kubeconfig's context and barque's own state carry it; it cannot change later.
    pub(crate) name: Field<String>,
}

/// What the cluster is to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Spec {
    /// Kubernetes itself.
    pub(crate) kubernetes: Field<Kubernetes>,
    /// Machines of the cluster, in the order in which reports show them.
    pub(crate) hosts: Field<Vec<Field<HostEntry>>>,
    /// How hosts are reached by SSH, for all hosts; a host's own `ssh` overrides it field by field.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) ssh: Field<SshDefaults>,
    /// Address plan.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) network: Field<NetworkEntry>,
    /// Shared settings of the hosts with role `loadBalancer`: required when there are any, refused when there are none. Without it the first master is the API's endpoint.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) load_balancer: Field<Balancer>,
    /// Container runtime (containerd).
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) runtime: Field<RuntimeEntry>,
    /// Where images come from: mirrors of registries, in the order in which they are asked, with their authorities and credentials. Images of other registries are fetched from the registry that they name.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) registries: Field<Vec<Field<RegistryEntry>>>,
    /// kubelet settings of all nodes.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) kubelet: Field<KubeletEntry>,
    /// More names and IP addresses for the API server's certificate. The masters' names and addresses, the VIP, the service address and `kubernetes.default.svc` are always in it.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) extra_sans: Field<Vec<Field<String>>>,
    /// More flags per component; they override barque's own, except those that barque must own.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) extra_args: Field<ExtraArgsEntry>,
    /// How large logs may grow.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) logs: Field<Logs>,
    /// Checks of hosts.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) checks: Field<Checks>,
    /// Packet filters of the hosts. `barque firewall table` shows what the cluster needs; no host is changed before `barque firewall apply`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) firewall: Field<FirewallEntry>,
    /// Add-ons: what runs in the cluster beside Kubernetes itself. `barque addons list` shows what there is; `dns` is always on.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) addons: Field<Vec<Field<AddonEntry>>>,
}

/// Kubernetes itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Kubernetes {
    /// Version, such as `1.37.2`. Versions of etcd, containerd and the other components follow from it.
    pub(crate) version: Field<Text>,
}

/// Flags of one component: name without dashes, to its value.
type Flags = BTreeMap<String, Field<Text>>;

/// More flags per component.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ExtraArgsEntry {
    /// Flags of etcd: name without dashes, to its value.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) etcd: Field<Flags>,
    /// Flags of kube-apiserver, such as `event-ttl: 2h`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) kube_apiserver: Field<Flags>,
    /// Flags of kube-controller-manager.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) kube_controller_manager: Field<Flags>,
    /// Flags of kube-scheduler.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) kube_scheduler: Field<Flags>,
    /// Flags of kubelet.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) kubelet: Field<Flags>,
    /// Flags of kube-proxy. It ignores most flags beside its configuration file, so only those about logging are accepted.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) kube_proxy: Field<Flags>,
    /// Flags of flanneld.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) flanneld: Field<Flags>,
}

impl ExtraArgsEntry {
    /// The flags with the component that they are for.
    pub(crate) fn components(self) -> [(Component, Field<Flags>); 7] {
        [
            (Component::Etcd, self.etcd),
            (Component::KubeApiserver, self.kube_apiserver),
            (Component::KubeControllerManager, self.kube_controller_manager),
            (Component::KubeScheduler, self.kube_scheduler),
            (Component::Kubelet, self.kubelet),
            (Component::KubeProxy, self.kube_proxy),
            (Component::Flanneld, self.flanneld),
        ]
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) enum EffectWord {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// Running pods leave too.
    NoExecute,
}

impl From<EffectWord> for TaintEffect {
    fn from(word: EffectWord) -> Self {
        match word {
            EffectWord::NoSchedule => Self::NoSchedule,
            EffectWord::PreferNoSchedule => Self::PreferNoSchedule,
            EffectWord::NoExecute => Self::NoExecute,
        }
    }
}
