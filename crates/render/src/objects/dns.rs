//! CoreDNS, on different hosts, more of it in a larger cluster.

use std::fmt::Write as _;

use barque_model::{ADDON_LABEL, CERTIFICATE_ANNOTATION, Cluster, DnsSettings, Release, TaintEffect};
use serde_json::{Value, json};

use crate::needs::coredns_reference;

const NAMESPACE: &str = "kube-system";
/// The Secret with the certificate of its metrics.
const CERTIFICATE: &str = "coredns-tls";
/// How its metrics are served.
const WEB_FILE: &str = "web.yaml";

pub(super) fn objects(cluster: &Cluster, release: &Release) -> Vec<Value> {
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns", "namespace": NAMESPACE}}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE}],
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", "namespace": NAMESPACE},
            "data": configuration(cluster),
        }),
        service(cluster),
        deployment(cluster, release),
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "coredns", "namespace": NAMESPACE},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        }),
    ];
    if cluster.monitoring().is_some() {
        // Before the pods that wait for it.
        objects.insert(0, certificate(cluster));
    }
    objects
}

/// Its files: the Corefile, and with the add-on `monitoring` how its metrics are served over TLS.
fn configuration(cluster: &Cluster) -> Value {
    let metrics_over_tls = cluster.monitoring().is_some();
    let mut files = json!({"Corefile": corefile(&cluster.network.dns_domain, &cluster.dns_settings(), metrics_over_tls)});
    if metrics_over_tls {
        // The web configuration of Prometheus's exporter-toolkit. Paths are relative to it; the certificate is read anew for each connection.
        files[WEB_FILE] = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  min_version: TLS13\n".into();
    }
    files
}

/// What CoreDNS's metrics are served with. The label lets it go when nobody asks for them any more.
fn certificate(cluster: &Cluster) -> Value {
    let names = format!("kube-dns.{NAMESPACE}.svc kube-dns.{NAMESPACE}.svc.{}", cluster.network.dns_domain);
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": CERTIFICATE, "namespace": NAMESPACE, "labels": {ADDON_LABEL: "dns"}, "annotations": {CERTIFICATE_ANNOTATION: names}},
    })
}

/// The Corefile.
///
/// CoreDNS refuses to start when `forward . /etc/resolv.conf` finds no name server there, and hosts without a resolver are normal in closed
/// networks. So the upstreams end with a server of its own on the pod's loopback that answers SERVFAIL at once; `policy sequential` reaches
/// it only when every real resolver is down or there is none.
pub(crate) fn corefile(domain: &str, settings: &DnsSettings, metrics_over_tls: bool) -> String {
    let upstreams = if settings.forward.is_empty() { "/etc/resolv.conf".to_owned() } else { settings.forward.join(" ") };
    let cache = settings.cache_seconds;
    let metrics = if metrics_over_tls { format!(" {{\n        tls /etc/coredns/{WEB_FILE}\n    }}") } else { String::new() };
    let mut text = format!(
        "\
.:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153{metrics}
    forward . {upstreams} 127.0.0.1:5300 {{
        policy sequential
        max_concurrent 1000
    }}
    cache {cache} {{
        disable success {domain}
        disable denial {domain}
    }}
    loop
    reload
    loadbalance
}}
.:5300 {{
    bind 127.0.0.1
    template ANY ANY {{
        rcode SERVFAIL
    }}
}}
"
    );
    for stub in &settings.stub_domains {
        let (domain, servers) = (&stub.domain, stub.servers.join(" "));
        let _ = write!(
            text,
            "\
{domain}:53 {{
    errors
    forward . {servers} {{
        max_concurrent 1000
    }}
    cache {cache}
    loop
}}
"
        );
    }
    text
}

fn service(cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        // The name that every tool looks for; CoreDNS took it over from kube-dns.
        "metadata": {"name": "kube-dns", "namespace": NAMESPACE, "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}},
        "spec": {
            "clusterIP": cluster.network.dns_service_address().to_string(),
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    })
}

/// What lies in `/etc/coredns`.
fn volume(cluster: &Cluster) -> Value {
    let item = |key: &str| json!({"key": key, "path": key});
    if cluster.monitoring().is_none() {
        return json!({"name": "config", "configMap": {"name": "coredns", "items": [item("Corefile")]}});
    }
    let files = json!({"configMap": {"name": "coredns", "items": [item("Corefile"), item(WEB_FILE)]}});
    json!({"name": "config", "projected": {"sources": [files, {"secret": {"name": CERTIFICATE}}]}})
}

/// As many as the settings say, and never two on one host that takes its pods.
fn replicas(cluster: &Cluster) -> usize {
    let takes_pods = |effect: TaintEffect| effect == TaintEffect::PreferNoSchedule;
    let hosts = cluster.hosts.iter().filter(|host| host.is_node() && host.taints.iter().all(|taint| takes_pods(taint.effect))).count();
    let settings = cluster.dns_settings();
    let wanted = if settings.replicas > 0 { settings.replicas } else { hosts.div_ceil(settings.nodes_per_replica.max(1)).max(2) };
    wanted.clamp(1, hosts.max(1))
}

fn deployment(cluster: &Cluster, release: &Release) -> Value {
    let labels = json!({"k8s-app": "kube-dns"});
    let container = json!({
        "name": "coredns",
        "image": coredns_reference(release),
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"requests": {"cpu": "100m", "memory": "70Mi"}, "limits": {"memory": "256Mi"}},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        // Asked every second until the first yes, so that DNS counts as ready when it is.
        "startupProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 5},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": true}],
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": NAMESPACE, "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
        "spec": {
            "replicas": replicas(cluster),
            // With two hosts a third replica would find no place beside the two: one goes before one comes.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "coredns",
                    "priorityClassName": "system-cluster-critical",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "dnsPolicy": "Default",
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    // Masters too: names resolve before the first node has joined.
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
                    ],
                    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}},
                    ]}},
                    "containers": [container],
                    "volumes": [volume(cluster)],
                },
            },
        },
    })
}
