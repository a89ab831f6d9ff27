//! The files of each component.

use std::net::IpAddr;

use barque_model::{Cluster, Component, Host, HostFile, Release};

/// What rendering needs to know of a host beyond the cluster file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderFacts {
    /// The network interface that has the host's address; keepalived puts the VIP on it unless the cluster file names another.
    pub interface: Option<String>,
    /// Whether units that the distribution's packages bring elsewhere are barque's own: its packages are
    /// [portable](barque_model::PORTABLE_FOLDER).
    pub whole_units: bool,
}

/// The files that `component` needs on `host`: flags, configuration and unit, in this order.
///
/// Certificates and kubeconfigs come from `pki`. Empty for a component that `host` does not run.
pub fn component_files(cluster: &Cluster, release: &Release, host: &Host, component: Component, facts: &RenderFacts) -> Vec<HostFile> {
    if !host.runs(component) {
        return Vec::new();
    }
    match component {
        Component::Etcd => crate::etcd::files(cluster, host),
        Component::Haproxy => crate::haproxy::files(cluster, facts),
        Component::Keepalived => crate::keepalived::files(cluster, host, facts),
        Component::KubeApiserver => crate::apiserver::files(cluster, host),
        Component::KubeControllerManager => crate::control::controller_manager_files(cluster, host),
        Component::KubeScheduler => crate::control::scheduler_files(cluster, host),
        Component::Containerd => crate::containerd::files(cluster, release, host),
        Component::Kubelet => crate::kubelet::files(cluster, host),
        Component::KubeProxy => crate::kube_proxy::files(cluster, host),
        Component::Flanneld => crate::flannel::files(cluster, host),
    }
}

/// An address as it stands in a URL or before a port: IPv6 in brackets.
pub(crate) fn url_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
