//! Programs, packages and images that a host needs.

use std::collections::BTreeSet;

use barque_model::{Cluster, Component, Host, HostName, Release, Role, Version};

use crate::paths::CNI_BINARIES;

/// A program that must lie on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryNeed {
    /// Name in the bundle, such as `kubelet` or `cni-bridge`.
    pub artifact: String,
    /// Its version, without a leading `v`.
    pub version: String,
    /// Absolute path on the host.
    pub path: String,
}

/// An image that must be in a node's containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNeed {
    /// Reference by which pods name it.
    pub reference: String,
    /// Name in the bundle.
    pub artifact: String,
    /// Its version, without a leading `v`.
    pub version: String,
    /// What needs it, for people.
    pub needed_by: String,
    /// The nodes that need it; none for every node.
    pub nodes: Option<BTreeSet<HostName>>,
}

impl ImageNeed {
    /// Whether `host`, which is a node, needs it.
    pub fn is_of(&self, host: &HostName) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(host))
    }
}

/// Programs of `host`, by role, each once.
pub fn binaries(release: &Release, host: &Host) -> Vec<BinaryNeed> {
    let mut needs: Vec<BinaryNeed> = Vec::new();
    let mut add = |artifact: &str, version: Version, path: String| {
        if !needs.iter().any(|need| need.path == path) {
            needs.push(BinaryNeed { artifact: artifact.to_owned(), version: version.to_string(), path });
        }
    };
    let local = |name: &str| format!("/usr/local/bin/{name}");
    if host.runs(Component::Etcd) {
        for name in ["etcd", "etcdctl", "etcdutl"] {
            add(name, release.etcd, local(name));
        }
    }
    if host.has(Role::Master) {
        for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"] {
            add(name, release.kubernetes, local(name));
        }
    }
    if host.is_node() {
        for name in ["containerd", "containerd-shim-runc-v2", "ctr"] {
            add(name, release.containerd, local(name));
        }
        add("runc", release.runc, local("runc"));
        for name in ["kubelet", "kube-proxy"] {
            add(name, release.kubernetes, local(name));
        }
        add("flanneld", release.flannel, local("flanneld"));
        // flannel's plugin calls bridge, which calls host-local; containerd calls loopback.
        for name in ["bridge", "host-local", "loopback", "portmap"] {
            add(&format!("cni-{name}"), release.cni_plugins, format!("{CNI_BINARIES}/{name}"));
        }
        add("cni-flannel", release.flannel_cni, format!("{CNI_BINARIES}/flannel"));
    }
    needs
}

/// Distribution packages of `host`: the balancers' programs, and on nodes the programs of both packet filters.
///
/// Both whatever the mode: kube-proxy, flanneld and portmap use the one they are told to, but flanneld 0.28 first removes its rules from the
/// other one and exits when it lacks that one's program.
pub fn packages(_cluster: &Cluster, host: &Host) -> Vec<&'static str> {
    let mut names = Vec::new();
    if host.runs(Component::Haproxy) {
        names.extend(["haproxy", "keepalived"]);
    }
    if host.is_node() {
        names.extend(["iptables", "nftables"]);
    }
    names
}

/// Images that every node gets before its first pod: no registry is asked for them.
pub fn images(release: &Release) -> Vec<ImageNeed> {
    vec![
        ImageNeed {
            reference: pause_reference(release),
            artifact: "pause".into(),
            version: release.pause.to_string(),
            needed_by: "every pod".into(),
            nodes: None,
        },
        ImageNeed {
            reference: coredns_reference(release),
            artifact: "coredns".into(),
            version: release.coredns.to_string(),
            needed_by: "CoreDNS".into(),
            nodes: None,
        },
    ]
}

/// Those of [`images`] that `cluster` takes from the bundle: the image behind every pod may come from a registry.
pub fn needed_images(cluster: &Cluster, release: &Release) -> Vec<ImageNeed> {
    let mut needs = images(release);
    needs.retain(|need| cluster.runtime.pause_image.is_none() || need.artifact != "pause");
    needs
}

pub(crate) fn pause_reference(release: &Release) -> String {
    format!("registry.k8s.io/pause:{}", release.pause)
}

pub(crate) fn coredns_reference(release: &Release) -> String {
    format!("registry.k8s.io/coredns/coredns:v{}", release.coredns)
}
