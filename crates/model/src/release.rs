//! Which versions make up a release.

use serde::{Deserialize, Serialize};

use crate::Version;

/// The component versions that barque deploys together with one Kubernetes version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Kubernetes itself: all `kube-*` programs, kubelet and kubectl.
    pub kubernetes: Version,
    /// etcd, etcdctl and etcdutl.
    pub etcd: Version,
    /// containerd, its shim and `ctr`.
    pub containerd: Version,
    /// runc.
    pub runc: Version,
    /// The CNI plugins bridge, host-local, loopback, portmap and ptp.
    pub cni_plugins: Version,
    /// flanneld.
    pub flannel: Version,
    /// flannel's CNI plugin.
    pub flannel_cni: Version,
    /// CoreDNS.
    pub coredns: Version,
    /// The pause image.
    pub pause: Version,
}
