//! kube-apiserver: flags and unit.

use barque_model::{Cluster, Component, Host, HostFile, Role};

use crate::apiserver_config;
use crate::args::Args;
use crate::component::url_host;
use crate::paths::{API_PORT, AUDIT_LOGS, CA, CIPHERS, ETCD_PKI, KUBERNETES, PKI};
use crate::unit::{Sandbox, Service};

/// Seconds for which a stopping API server answers requests while `/readyz` is red.
///
/// haproxy checks every second and takes a server out after two failures, the second half a second after the first: it knows after 1.5 s
/// at the latest when the machine is idle. Five leave room for a busy one, and a rolling restart still takes seconds.
const SHUTDOWN_DELAY_SECONDS: u32 = 5;

/// Seconds that open watches get to end after the delay; without a limit a stop waits for the request timeout (60 s).
const WATCH_GRACE_SECONDS: u32 = 5;

/// `--request-timeout` of kube-apiserver, which barque leaves at its default: a stop waits this long for requests in flight.
const REQUEST_TIMEOUT_SECONDS: u32 = 60;

/// The etcd members that an API server talks to: its own host's when there is one, else all.
///
/// The client spreads requests over the members that it is given, and notices a member that hangs without closing its connections (a frozen
/// host, a stalled disk) only by its keepalive. With one of three masters frozen and all members listed, one run in two of the failover
/// scenario saw requests fail for more than 10 s. With its own member only, an API server shares the fate of its host, and haproxy sends
/// clients elsewhere after 3.5 s. kubeadm does the same for stacked etcd.
fn etcd_servers(cluster: &Cluster, host: &Host) -> Vec<String> {
    let url = |member: &Host| format!("https://{}:2379", url_host(member.address));
    if host.runs(Component::Etcd) { vec![url(host)] } else { cluster.running(Component::Etcd).map(url).collect() }
}

/// Who issues the cluster's tokens, as they name it.
pub(crate) fn issuer(cluster: &Cluster) -> String {
    format!("https://kubernetes.default.svc.{}", cluster.network.dns_domain)
}

pub(crate) fn args(cluster: &Cluster, host: &Host) -> Args {
    let network = &cluster.network;
    let logs = &cluster.logs;
    let issuer = issuer(cluster);
    let balanced = cluster.load_balancer.is_some();
    let mut args = Args::new();
    args.set("advertise-address", host.address)
        // Not 0.0.0.0: no other network of the host is served, and haproxy may have the port on another address.
        .set("bind-address", host.address)
        .set("secure-port", API_PORT)
        .set("etcd-servers", etcd_servers(cluster, host).join(","))
        .set("etcd-cafile", format!("{ETCD_PKI}/ca.crt"))
        .set("etcd-certfile", format!("{PKI}/apiserver-etcd-client.crt"))
        .set("etcd-keyfile", format!("{PKI}/apiserver-etcd-client.key"))
        .set("client-ca-file", CA)
        .set("tls-cert-file", format!("{PKI}/apiserver.crt"))
        .set("tls-private-key-file", format!("{PKI}/apiserver.key"))
        .set("tls-min-version", "VersionTLS12")
        .set("tls-cipher-suites", CIPHERS.join(","))
        .set("kubelet-certificate-authority", CA)
        .set("kubelet-client-certificate", format!("{PKI}/apiserver-kubelet-client.crt"))
        .set("kubelet-client-key", format!("{PKI}/apiserver-kubelet-client.key"))
        .set("kubelet-preferred-address-types", "InternalIP,Hostname")
        .set("authentication-config", apiserver_config::AUTHENTICATION_PATH)
        .set("authorization-mode", "Node,RBAC")
        .set("enable-admission-plugins", "NodeRestriction")
        .set("admission-control-config-file", apiserver_config::ADMISSION_PATH)
        .set("allow-privileged", true)
        .set("service-account-issuer", &issuer)
        .set("service-account-jwks-uri", format!("{issuer}/openid/v1/jwks"))
        .set("service-account-key-file", format!("{PKI}/sa.pub"))
        .set("service-account-signing-key-file", format!("{PKI}/sa.key"))
        .set("service-account-lookup", true)
        .set("service-account-extend-token-expiration", false)
        .set("requestheader-client-ca-file", format!("{PKI}/front-proxy-ca.crt"))
        .set("requestheader-allowed-names", "front-proxy-client")
        .set("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .set("requestheader-group-headers", "X-Remote-Group")
        .set("requestheader-username-headers", "X-Remote-User")
        .set("proxy-client-cert-file", format!("{PKI}/front-proxy-client.crt"))
        .set("proxy-client-key-file", format!("{PKI}/front-proxy-client.key"))
        .set("encryption-provider-config", format!("{KUBERNETES}/encryption.yaml"))
        .set("encryption-provider-config-automatic-reload", true)
        .set("audit-policy-file", apiserver_config::AUDIT_POLICY_PATH)
        .set("audit-log-path", format!("{AUDIT_LOGS}/audit.log"))
        .set("audit-log-maxage", logs.audit_max_age_days)
        .set("audit-log-maxbackup", logs.audit_max_backups)
        .set("audit-log-maxsize", logs.audit_max_size_mb)
        .set("profiling", false)
        .set("service-cluster-ip-range", network.service_cidr)
        .set("service-node-port-range", network.node_ports)
        .set_if(cluster.with_role(Role::Master).count() > 1, "goaway-chance", "0.001")
        // Nobody takes a lone master out of balance, so it need not wait to be noticed.
        .set("shutdown-delay-duration", format!("{}s", if balanced { SHUTDOWN_DELAY_SECONDS } else { 0 }))
        .set("shutdown-send-retry-after", true)
        .set("shutdown-watch-termination-grace-period", format!("{WATCH_GRACE_SECONDS}s"))
        .set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::KubeApiserver)
}

pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/kube-apiserver.env");
    let unit = Service {
        component: Component::KubeApiserver,
        description: "Kubernetes API server",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/",
        after: &[],
        wants: &[],
        kind: "notify",
        environment_file: &environment_file,
        lines: &[],
        sandbox: Sandbox::Strict(AUDIT_LOGS),
        // Ready needs etcd, which may be electing.
        start_timeout: 300,
        stop_timeout: SHUTDOWN_DELAY_SECONDS + WATCH_GRACE_SECONDS + REQUEST_TIMEOUT_SECONDS + 10,
    };
    let mut files = vec![HostFile::public(&environment_file, args(cluster, host).environment_file("ARGS")).with_mode(0o600)];
    files.extend(apiserver_config::files());
    files.push(unit.file());
    files
}
