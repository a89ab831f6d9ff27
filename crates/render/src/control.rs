//! kube-controller-manager and kube-scheduler.

use std::net::{IpAddr, Ipv4Addr};

use barque_model::{Cluster, Component, Host, HostFile};
use serde_json::{Value, json};

use crate::args::Args;
use crate::paths::{CA, CIPHERS, KUBERNETES, PKI};
use crate::unit::{Sandbox, Service};
use crate::yaml::document;

const SCHEDULER_CONFIG: &str = "/etc/kubernetes/kube-scheduler.yaml";

/// Loopback, unless somebody is to ask for metrics.
fn listening(cluster: &Cluster, host: &Host) -> IpAddr {
    if cluster.monitoring().is_some() { host.address } else { Ipv4Addr::LOCALHOST.into() }
}

pub(crate) fn controller_manager_args(cluster: &Cluster, host: &Host) -> Args {
    let kubeconfig = format!("{KUBERNETES}/controller-manager.conf");
    let network = &cluster.network;
    let mut args = Args::new();
    args.set("kubeconfig", &kubeconfig)
        .set("authentication-kubeconfig", &kubeconfig)
        .set("authorization-kubeconfig", &kubeconfig)
        .set("bind-address", listening(cluster, host))
        .set("tls-cert-file", format!("{PKI}/controller-manager.crt"))
        .set("tls-private-key-file", format!("{PKI}/controller-manager.key"))
        .set("client-ca-file", CA)
        .set("requestheader-client-ca-file", format!("{PKI}/front-proxy-ca.crt"))
        .set("tls-min-version", "VersionTLS12")
        .set("tls-cipher-suites", CIPHERS.join(","))
        .set("cluster-name", &cluster.name)
        .set("leader-elect", true)
        .set("leader-elect-lease-duration", "15s")
        .set("leader-elect-renew-deadline", "10s")
        .set("leader-elect-retry-period", "2s")
        .set("use-service-account-credentials", true)
        .set("service-account-private-key-file", format!("{PKI}/sa.key"))
        .set("root-ca-file", CA)
        .set("cluster-signing-cert-file", CA)
        .set("cluster-signing-key-file", format!("{PKI}/ca.key"))
        .set("cluster-signing-duration", "8760h")
        .set("allocate-node-cidrs", true)
        .set("cluster-cidr", network.pod_cidr)
        .set("node-cidr-mask-size", network.node_prefix)
        .set("service-cluster-ip-range", network.service_cidr)
        .set("terminated-pod-gc-threshold", 1000)
        .set("profiling", false)
        .set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::KubeControllerManager)
}

pub(crate) fn controller_manager_files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/kube-controller-manager.env");
    let unit = Service {
        component: Component::KubeControllerManager,
        description: "Kubernetes controller manager",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/",
        after: &["kube-apiserver.service"],
        wants: &[],
        kind: "exec",
        environment_file: &environment_file,
        lines: &[],
        sandbox: Sandbox::Strict(""),
        start_timeout: 60,
        stop_timeout: 30,
    };
    vec![HostFile::public(&environment_file, controller_manager_args(cluster, host).environment_file("ARGS")).with_mode(0o600), unit.file()]
}

pub(crate) fn scheduler_args(cluster: &Cluster, host: &Host) -> Args {
    let kubeconfig = format!("{KUBERNETES}/scheduler.conf");
    let mut args = Args::new();
    args.set("config", SCHEDULER_CONFIG)
        .set("authentication-kubeconfig", &kubeconfig)
        .set("authorization-kubeconfig", &kubeconfig)
        .set("bind-address", listening(cluster, host))
        .set("tls-cert-file", format!("{PKI}/scheduler.crt"))
        .set("tls-private-key-file", format!("{PKI}/scheduler.key"))
        .set("client-ca-file", CA)
        .set("requestheader-client-ca-file", format!("{PKI}/front-proxy-ca.crt"))
        .set("tls-min-version", "VersionTLS12")
        .set("tls-cipher-suites", CIPHERS.join(","))
        .set("profiling", false)
        .set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::KubeScheduler)
}

pub(crate) fn scheduler_config() -> Value {
    json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": format!("{KUBERNETES}/scheduler.conf")},
        "leaderElection": {"leaderElect": true, "leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "2s"},
        "enableProfiling": false,
    })
}

pub(crate) fn scheduler_files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/kube-scheduler.env");
    let unit = Service {
        component: Component::KubeScheduler,
        description: "Kubernetes scheduler",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/",
        after: &["kube-apiserver.service"],
        wants: &[],
        kind: "exec",
        environment_file: &environment_file,
        lines: &[],
        sandbox: Sandbox::Strict(""),
        start_timeout: 60,
        stop_timeout: 30,
    };
    vec![
        HostFile::public(&environment_file, scheduler_args(cluster, host).environment_file("ARGS")).with_mode(0o600),
        HostFile::public(SCHEDULER_CONFIG, document(&scheduler_config())).with_mode(0o600),
        unit.file(),
    ]
}
