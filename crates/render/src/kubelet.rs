//! kubelet.

use barque_model::{Cluster, Component, Host, HostFile, KubeProxyMode, Taint};
use serde_json::{Value, json};

use crate::args::Args;
use crate::paths::{CA, CIPHERS, CONTAINERD_SOCKET, KUBELET_CONFIG, KUBELET_PKI, KUBERNETES};
use crate::unit::{Sandbox, Service};
use crate::yaml::document;

pub(crate) fn args(cluster: &Cluster, host: &Host) -> Args {
    let mut args = Args::new();
    args.set("config", KUBELET_CONFIG)
        .set("kubeconfig", format!("{KUBERNETES}/kubelet.conf"))
        // Always: the certificate names the host as the cluster file does, whatever the machine calls itself.
        .set("hostname-override", &host.name)
        // Always: without it kubelet looks its own name up, and waits 20 s for each answer that does not come.
        .set("node-ip", host.address)
        .set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::Kubelet)
}

pub(crate) fn config(cluster: &Cluster, host: &Host) -> Value {
    let settings = &cluster.kubelet;
    let network = &cluster.network;
    let mut config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": host.address.to_string(),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": CA},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "tlsCertFile": format!("{KUBELET_PKI}/kubelet.crt"),
        "tlsPrivateKeyFile": format!("{KUBELET_PKI}/kubelet.key"),
        "tlsMinVersion": "VersionTLS12",
        "tlsCipherSuites": CIPHERS,
        "cgroupDriver": "systemd",
        "failCgroupV1": settings.fail_cgroup_v1,
        "failSwapOn": settings.fail_swap_on,
        "clusterDNS": name_servers(cluster),
        "clusterDomain": network.dns_domain,
        "resolvConf": "/etc/resolv.conf",
        "containerRuntimeEndpoint": CONTAINERD_SOCKET,
        "containerLogMaxSize": cluster.logs.container_max_size,
        "containerLogMaxFiles": cluster.logs.container_max_files,
        "maxPods": settings.max_pods,
        "podPidsLimit": settings.pod_pids_limit,
        "serializeImagePulls": false,
        "maxParallelImagePulls": 3,
        "makeIPTablesUtilChains": network.kube_proxy_mode == KubeProxyMode::Iptables,
        "seccompDefault": true,
        "eventRecordQPS": 50,
        "enableProfilingHandler": false,
        "enableDebugFlagsHandler": false,
        "shutdownGracePeriod": "30s",
        "shutdownGracePeriodCriticalPods": "10s",
    });
    let taints = taints(host);
    if !taints.is_empty() {
        config["registerWithTaints"] = Value::Array(taints);
    }
    if !settings.system_reserved.is_empty() {
        config["systemReserved"] = json!(settings.system_reserved);
    }
    if !settings.eviction_hard.is_empty() {
        config["evictionHard"] = json!(settings.eviction_hard);
        // A threshold that the file does not name keeps kubelet's default instead of going away.
        config["mergeDefaultEvictionSettings"] = json!(true);
    }
    config
}

/// What pods are told to ask: the node's own cache first, where there is one. While that does not answer they ask the Service.
fn name_servers(cluster: &Cluster) -> Vec<String> {
    let cache = cluster.dns_cache().map(|address| address.to_string());
    cache.into_iter().chain([cluster.network.dns_service_address().to_string()]).collect()
}

/// Taints that a node has from its first moment, so that no pod slips onto it.
fn taints(host: &Host) -> Vec<Value> {
    let words = |taint: &Taint| {
        let mut value = json!({"key": taint.key, "effect": taint.effect.to_string()});
        if !taint.value.is_empty() {
            value["value"] = json!(taint.value);
        }
        value
    };
    host.all_taints().iter().map(words).collect()
}

pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/kubelet.env");
    // Pods are containerd's children, not kubelet's, but exec probes and mounts are.
    let mut lines = vec!["KillMode=process".into()];
    // The address of the node's DNS cache: there before any pod is told of it, and whether the cache runs or not, so that a pod that asks is refused
    // at once and asks the Service. It stays until the next boot: pods that were told of it may outlive the cache.
    lines.extend(cluster.dns_cache().map(|address| format!("ExecStartPre=ip address replace {address}/32 dev lo")));
    let unit = Service {
        component: Component::Kubelet,
        description: "Kubernetes node agent",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
        after: &["containerd.service"],
        wants: &["containerd.service"],
        // kubelet says READY once its runtime has answered and its loops run; it does not wait for the API server.
        kind: "notify",
        environment_file: &environment_file,
        lines: &lines,
        sandbox: Sandbox::None,
        start_timeout: 120,
        stop_timeout: 30,
    };
    vec![
        HostFile::public(&environment_file, args(cluster, host).environment_file("ARGS")).with_mode(0o600),
        HostFile::public(KUBELET_CONFIG, document(&config(cluster, host))).with_mode(0o600),
        // 0600: CIS Kubernetes Benchmark 1.12, 4.1.1.
        unit.file().with_mode(0o600),
    ]
}
