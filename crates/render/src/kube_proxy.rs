//! kube-proxy.

use barque_model::{Cluster, Component, Host, HostFile};
use serde_json::{Value, json};

use crate::args::Args;
use crate::paths::KUBERNETES;
use crate::unit::{Sandbox, Service};
use crate::yaml::document;

pub(crate) const CONFIG: &str = "/etc/kubernetes/kube-proxy.yaml";

pub(crate) fn args(cluster: &Cluster) -> Args {
    let mut args = Args::new();
    // With a configuration file kube-proxy ignores nearly every other flag.
    args.set("config", CONFIG).set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::KubeProxy)
}

pub(crate) fn config(cluster: &Cluster, host: &Host) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": format!("{KUBERNETES}/kube-proxy.conf")},
        "hostnameOverride": host.name.as_str(),
        "mode": cluster.network.kube_proxy_mode.as_str(),
        "clusterCIDR": cluster.network.pod_cidr.to_string(),
        "detectLocalMode": "ClusterCIDR",
        // Both listeners are plain HTTP. Balancers outside that check `externalTrafficPolicy: Local` services use those services' own ports.
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        // Node ports on the node's own address only, not on bridges and tunnels.
        "nodePortAddresses": ["primary"],
        // The kernel parameters are among barque's sysctls: a container-like host refuses them, and kube-proxy would not start.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
}

pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/kube-proxy.env");
    let unit = Service {
        component: Component::KubeProxy,
        description: "Kubernetes service proxy",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/",
        after: &[],
        wants: &[],
        kind: "exec",
        environment_file: &environment_file,
        lines: &[],
        sandbox: Sandbox::None,
        start_timeout: 60,
        stop_timeout: 30,
    };
    vec![
        HostFile::public(&environment_file, args(cluster).environment_file("ARGS")).with_mode(0o600),
        HostFile::public(CONFIG, document(&config(cluster, host))).with_mode(0o600),
        unit.file(),
    ]
}
