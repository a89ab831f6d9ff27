//! flanneld in kube mode, and the CNI configuration that goes with it.

use std::fmt::Write as _;

use barque_model::{Cluster, Component, FlannelBackend, Host, HostFile, KubeProxyMode};
use serde_json::{Value, json};

use crate::args::Args;
use crate::paths::{CNI_CONFIG, KUBERNETES};
use crate::unit::{Sandbox, Service};
use crate::yaml::json;

pub(crate) const NET_CONF: &str = "/etc/kube-flannel/net-conf.json";

/// Bytes that flannel takes off the configured MTU for the VXLAN header (pkg/backend/vxlan/vxlan_network.go).
const VXLAN_OVERHEAD: u16 = 50;

pub(crate) fn args(cluster: &Cluster, host: &Host) -> Args {
    let mut args = Args::new();
    args.set("kube-subnet-mgr", true)
        .set("kubeconfig-file", format!("{KUBERNETES}/flanneld.conf"))
        .set("net-config-path", NET_CONF)
        .set("iface", host.address)
        .set("public-ip", host.address)
        .set("ip-masq", true)
        .set("subnet-file", "/run/flannel/subnet.env")
        // Its health listener is plain HTTP on all addresses by default.
        .set("healthz-ip", "127.0.0.1")
        .set("healthz-port", 0)
        .set("v", cluster.kubelet.verbosity);
    args.merged(cluster, Component::Flanneld)
}

pub(crate) fn net_conf(cluster: &Cluster) -> Value {
    let network = &cluster.network;
    let mut backend = json!({"Type": network.flannel_backend.as_str()});
    if network.flannel_backend == FlannelBackend::Vxlan {
        backend["VNI"] = json!(1);
        backend["Port"] = json!(8472);
        if let Some(mtu) = network.mtu {
            backend["MTU"] = json!(mtu.saturating_add(VXLAN_OVERHEAD));
        }
    }
    json!({
        "Network": network.pod_cidr.to_string(),
        "EnableNFTables": network.kube_proxy_mode == KubeProxyMode::Nftables,
        "Backend": backend,
    })
}

fn conflist(cluster: &Cluster) -> Value {
    let mut delegate = json!({"hairpinMode": true, "isDefaultGateway": true});
    if let Some(mtu) = cluster.network.mtu {
        // Else the plugin takes the MTU that flanneld worked out.
        delegate["mtu"] = json!(mtu);
    }
    json!({
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": delegate},
            {"type": "portmap", "capabilities": {"portMappings": true}, "backend": cluster.network.kube_proxy_mode.as_str()},
        ],
    })
}

pub(crate) fn files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let environment_file = format!("{KUBERNETES}/flanneld.env");
    let mut environment = args(cluster, host).environment_file("ARGS");
    let _ = writeln!(environment, "NODE_NAME={}", host.name);
    let unit = Service {
        component: Component::Flanneld,
        description: "flannel pod network",
        documentation: "https://github.com/flannel-io/flannel",
        after: &[],
        wants: &[],
        // Not `notify`: flanneld exits until its node has a pod range, and those first exits are no failure.
        kind: "exec",
        environment_file: &environment_file,
        // The file in /run/flannel outlives a restart: every start of a pod reads it.
        lines: &["RuntimeDirectory=flannel".into(), "RuntimeDirectoryPreserve=yes".into()],
        sandbox: Sandbox::None,
        start_timeout: 60,
        stop_timeout: 30,
    };
    vec![
        HostFile::public(&environment_file, environment).with_mode(0o600),
        HostFile::public(NET_CONF, json(&net_conf(cluster))),
        HostFile::public(format!("{CNI_CONFIG}/10-flannel.conflist"), json(&conflist(cluster))).with_mode(0o600),
        unit.file(),
    ]
}
