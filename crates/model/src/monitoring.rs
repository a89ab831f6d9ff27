//! What the add-ons `monitoring` and `metrics-server` need of hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{AddonOrigin, Cluster, Component, Host};

/// The add-on that asks hosts for their metrics.
const MONITORING: &str = "monitoring";

/// The add-on that asks kubelets what pods use.
const METRICS_SERVER: &str = "metrics-server";

/// The gateway's program, user and, with `.service` behind it, its unit.
pub const METRICS_GATEWAY: &str = "barque-metrics";

/// The folder of the gateway's configuration, certificate and keys.
pub const METRICS_GATEWAY_FOLDER: &str = "/etc/barque-metrics";

/// Ports of hosts that the add-on `monitoring` asks besides those of the cluster itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitoring {
    /// On every node, where node-exporter answers.
    pub host_port: u16,
    /// On every host with etcd or a balancer, where the gateway answers.
    pub gateway_port: u16,
}

impl Cluster {
    /// The monitoring of barque's own; `None` without the add-on. With it kube-controller-manager and kube-scheduler answer on their host's address.
    pub fn monitoring(&self) -> Option<Monitoring> {
        let ours = self.addons.iter().find(|addon| addon.name.as_str() == MONITORING && addon.origin == AddonOrigin::Barque)?;
        let port = |name: &str| ours.settings[name].as_u64().and_then(|port| u16::try_from(port).ok());
        Some(Monitoring { host_port: port("hostMetricsPort")?, gateway_port: port("gatewayPort")? })
    }

    /// Whether the add-on `metrics-server` of barque's own is on: it asks kubelets from the nodes that it runs on.
    pub fn has_metrics_server(&self) -> bool {
        self.addons.iter().any(|addon| addon.name.as_str() == METRICS_SERVER && addon.origin == AddonOrigin::Barque)
    }

    /// The port of the metrics gateway on `host`; `None` where there is none: without the add-on `monitoring`, and on hosts that have
    /// neither etcd nor a balancer.
    pub fn metrics_gateway(&self, host: &Host) -> Option<u16> {
        let monitoring = self.monitoring()?;
        (host.runs(Component::Etcd) || host.runs(Component::Haproxy)).then_some(monitoring.gateway_port)
    }
}

/// Configuration of the metrics gateway, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsGateway {
    /// Where it listens, over TLS.
    pub listen: SocketAddr,
    /// Its certificate, a PEM file.
    pub certificate: String,
    /// The certificate's key, a PEM file.
    pub key: String,
    /// Who may ask.
    pub caller: MetricsCaller,
    /// What is passed on: path to an `http://` URL of this host's loopback.
    pub pass: BTreeMap<String, String>,
    /// What it measures itself, under the path `/host`.
    pub host: MetricsOfHost,
}

/// Who may ask a metrics gateway: the holder of a token of one ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsCaller {
    /// The public key by which the cluster's tokens are verified, a PEM file.
    pub public_key: String,
    /// The issuer that a token must name.
    pub issuer: String,
    /// The audience that a token must be made for.
    pub audience: String,
    /// The user that a token must be of.
    pub subject: String,
}

/// What a metrics gateway measures of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsOfHost {
    /// The virtual address that the host may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<IpAddr>,
    /// Programs that must run, by the kernel's name of their processes.
    pub programs: Vec<String>,
    /// Certificates whose end is told, PEM files.
    pub certificates: Vec<String>,
    /// Folders whose file systems' space is told. Empty on nodes, where node-exporter does it.
    pub file_systems: Vec<String>,
}
