//! etcd.

use barque_model::{Cluster, Component, Host, HostFile, Owner};

use crate::args::Args;
use crate::paths::{CIPHERS, ETCD_DATA, ETCD_PKI};
use crate::unit::{Sandbox, Service};

/// Largest size of the database in bytes: 8 GiB, etcd's own advice for the upper end; its default is 2 GiB.
const QUOTA_BYTES: u64 = 8 * 1024 * 1024 * 1024;

pub(crate) fn args(cluster: &Cluster, host: &Host) -> Args {
    let address = crate::component::url_host(host.address);
    let members: Vec<String> = cluster
        .running(Component::Etcd)
        .map(|member| format!("{}=https://{}:2380", member.name, crate::component::url_host(member.address)))
        .collect();
    let mut args = Args::new();
    args.set("name", &host.name)
        .set("data-dir", ETCD_DATA)
        .set("listen-client-urls", format!("https://{address}:2379,https://127.0.0.1:2379"))
        .set("advertise-client-urls", format!("https://{address}:2379"))
        .set("listen-peer-urls", format!("https://{address}:2380"))
        .set("initial-advertise-peer-urls", format!("https://{address}:2380"))
        .set("listen-metrics-urls", "http://127.0.0.1:2381")
        .set("initial-cluster", members.join(","))
        .set("initial-cluster-token", &cluster.name)
        .set("initial-cluster-state", "new")
        .set("cert-file", format!("{ETCD_PKI}/server.crt"))
        .set("key-file", format!("{ETCD_PKI}/server.key"))
        .set("client-cert-auth", true)
        .set("trusted-ca-file", format!("{ETCD_PKI}/ca.crt"))
        .set("peer-cert-file", format!("{ETCD_PKI}/peer.crt"))
        .set("peer-key-file", format!("{ETCD_PKI}/peer.key"))
        .set("peer-client-cert-auth", true)
        .set("peer-trusted-ca-file", format!("{ETCD_PKI}/ca.crt"))
        .set("tls-min-version", "TLS1.2")
        .set("cipher-suites", CIPHERS.join(","))
        .set("quota-backend-bytes", QUOTA_BYTES)
        .set("snapshot-count", 10_000)
        .set("watch-progress-notify-interval", "5s")
        .set("feature-gates", "CompactHashCheck=true,InitialCorruptCheck=true");
    args.merged(cluster, Component::Etcd)
}

pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    // The variable is not named ETCD_…: etcd takes every such variable for a flag and warns of those it does not know.
    let environment = HostFile::public("/etc/etcd/etcd.env", args(cluster, host).environment_file("ARGS")).with_mode(0o600);
    let mut lines = vec![format!("User={user}\nGroup={user}", user = Owner::of("etcd").user)];
    if !cluster.runtime.restrict_oom_score_adj {
        lines.push("OOMScoreAdjust=-999".into());
    }
    let unit = Service {
        component: Component::Etcd,
        description: "etcd, the cluster's database",
        documentation: "https://etcd.io/docs/",
        after: &[],
        wants: &[],
        kind: "notify",
        environment_file: "/etc/etcd/etcd.env",
        lines: &lines,
        sandbox: Sandbox::Strict(ETCD_DATA),
        // The first member of a new cluster is ready only when a second one has joined.
        start_timeout: 300,
        stop_timeout: 60,
    };
    vec![environment, unit.file()]
}
