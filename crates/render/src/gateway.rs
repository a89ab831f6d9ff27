//! The metrics gateway: what lets Prometheus ask etcd and the balancers.
//!
//! etcd's and haproxy's metrics are on loopback, because whoever may use etcd's other listeners can read all data, and a balancer is no node
//! of the cluster. The gateway, barque itself in a unit of its own, passes them on over TLS to Prometheus's own token and to nobody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use barque_model::{
    Cluster, Component, Host, HostFile, METRICS_GATEWAY, METRICS_GATEWAY_FOLDER, MetricsCaller, MetricsGateway, MetricsOfHost,
};

use crate::haproxy::{METRICS_PATH, METRICS_PORT};
use crate::header::managed;
use crate::paths::{ETCD_DATA, ETCD_PKI, PKI};
use crate::unit::STRICT;

/// The audience of the tokens that it takes: a token made for it opens nothing else, and no other token opens it.
const AUDIENCE: &str = "barque-metrics";
/// Prometheus's ServiceAccount, of the add-on `monitoring`.
const SUBJECT: &str = "system:serviceaccount:monitoring:prometheus";

/// The gateway's unit.
pub fn metrics_gateway_unit() -> String {
    format!("{METRICS_GATEWAY}.service")
}

/// Whether the gateway reads the file at `path` when it starts.
pub fn is_of_metrics_gateway(path: &str) -> bool {
    path == unit_path() || path.strip_prefix(METRICS_GATEWAY_FOLDER).is_some_and(|rest| rest.starts_with('/'))
}

fn unit_path() -> String {
    format!("/etc/systemd/system/{}", metrics_gateway_unit())
}

/// Configuration and unit; none on a host without a gateway.
pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let Some(port) = cluster.metrics_gateway(host) else { return Vec::new() };
    let configuration = configuration(cluster, host, port);
    // Only texts, numbers and lists of texts: nothing that TOML has no form for.
    let text = toml::to_string(&configuration).unwrap_or_default();
    vec![HostFile::public(configuration_path(), managed(&text)), HostFile::public(unit_path(), managed(&unit()))]
}

fn configuration_path() -> String {
    format!("{METRICS_GATEWAY_FOLDER}/config.toml")
}

fn configuration(cluster: &Cluster, host: &Host, port: u16) -> MetricsGateway {
    let own = |name: &str| format!("{METRICS_GATEWAY_FOLDER}/{name}");
    let mut pass = BTreeMap::new();
    let mut measured = MetricsOfHost { certificates: certificates(host), ..MetricsOfHost::default() };
    if host.runs(Component::Etcd) {
        if let Some(url) = etcd_metrics(cluster, host) {
            pass.insert("/etcd".to_owned(), url);
        }
        if !host.is_node() {
            measured.file_systems.push(ETCD_DATA.to_owned());
        }
    }
    if host.runs(Component::Haproxy) {
        pass.insert("/haproxy".to_owned(), format!("http://127.0.0.1:{METRICS_PORT}{METRICS_PATH}"));
        measured.vip = cluster.load_balancer.as_ref().map(|balancer| balancer.vip);
        measured.programs.push(Component::Keepalived.program().to_owned());
    }
    if !host.is_node() {
        measured.file_systems.push("/".to_owned());
    }
    MetricsGateway {
        listen: SocketAddr::new(host.address, port),
        certificate: own("server.crt"),
        key: own("server.key"),
        caller: MetricsCaller {
            public_key: own("sa.pub"),
            issuer: crate::apiserver::issuer(cluster),
            audience: AUDIENCE.to_owned(),
            subject: SUBJECT.to_owned(),
        },
        pass,
        host: measured,
    }
}

/// Where etcd tells its metrics without a certificate: its flag, which the cluster file may have changed.
fn etcd_metrics(cluster: &Cluster, host: &Host) -> Option<String> {
    let args = crate::etcd::args(cluster, host);
    let (_, urls) = args.pairs().iter().find(|(name, _)| name == "listen-metrics-urls")?;
    let url = urls.split(',').find(|url| url.starts_with("http://"))?;
    Some(format!("{}/metrics", url.trim_end_matches('/')))
}

/// Certificates that its user may read; a kubelet's own lies in a folder that is root's.
fn certificates(host: &Host) -> Vec<String> {
    let mut names = Vec::new();
    if host.runs(Component::Etcd) {
        names.extend(["ca", "server", "peer", "healthcheck-client"].map(|name| format!("{ETCD_PKI}/{name}.crt")));
    }
    if host.runs(Component::KubeApiserver) {
        let pairs = ["ca", "front-proxy-ca", "apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"];
        names.extend(pairs.into_iter().chain(["controller-manager", "scheduler"]).map(|name| format!("{PKI}/{name}.crt")));
    } else if host.runs(Component::Haproxy) {
        names.push(format!("{PKI}/ca.crt"));
    }
    names.push(format!("{METRICS_GATEWAY_FOLDER}/server.crt"));
    names
}

fn unit() -> String {
    format!(
        "\
[Unit]
Description=Metrics of etcd and the balancer, for Prometheus
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/local/bin/{METRICS_GATEWAY} metrics-gateway --config {configuration}
User={METRICS_GATEWAY}
Group={METRICS_GATEWAY}
Restart=always
RestartSec=1
TimeoutStopSec=10
# Measured: 24 MB, most of it the program itself.
MemoryMax=128M
CapabilityBoundingSet=
{STRICT}
[Install]
WantedBy=multi-user.target
",
        configuration = configuration_path()
    )
}
