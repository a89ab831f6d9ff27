//! Which files and programs belong to which component.

use barque_model::Component;

/// Whether `component` reads the file at `path` when it starts, so that a change needs a restart.
///
/// Component files of `render` and files of `pki` both lie at paths that only depend on the component.
pub(crate) fn inputs_of(component: Component, path: &str) -> bool {
    let unit = component.unit();
    if path == format!("/etc/systemd/system/{unit}") || path.starts_with(&format!("/etc/systemd/system/{unit}.d/")) {
        return true;
    }
    let kubernetes = path.strip_prefix("/etc/kubernetes/").unwrap_or("");
    match component {
        Component::Etcd => {
            path.starts_with("/etc/etcd/")
                || kubernetes == "pki/etcd/ca.crt"
                || kubernetes.starts_with("pki/etcd/server.")
                || kubernetes.starts_with("pki/etcd/peer.")
        }
        Component::Haproxy => path.starts_with("/etc/haproxy/") || kubernetes == "pki/ca.crt",
        Component::Keepalived => path.starts_with("/etc/keepalived/"),
        Component::KubeApiserver => {
            matches!(kubernetes, "pki/ca.crt" | "pki/etcd/ca.crt" | "pki/sa.key" | "pki/sa.pub" | "encryption.yaml")
                || kubernetes.starts_with("pki/apiserver")
                || kubernetes.starts_with("pki/front-proxy-")
                || kubernetes.starts_with("kube-apiserver")
        }
        Component::KubeControllerManager => {
            matches!(kubernetes, "pki/ca.crt" | "pki/ca.key" | "pki/sa.key" | "pki/front-proxy-ca.crt" | "controller-manager.conf")
                || kubernetes.starts_with("pki/controller-manager.")
                || kubernetes.starts_with("kube-controller-manager")
        }
        Component::KubeScheduler => {
            matches!(kubernetes, "pki/ca.crt" | "pki/front-proxy-ca.crt" | "scheduler.conf")
                || kubernetes.starts_with("pki/scheduler.")
                || kubernetes.starts_with("kube-scheduler")
        }
        // Mirrors under certs.d are read at each pull.
        Component::Containerd => path.starts_with("/etc/containerd/") && !path.starts_with("/etc/containerd/certs.d/"),
        Component::Kubelet => {
            path.starts_with("/var/lib/kubelet/")
                || matches!(kubernetes, "pki/ca.crt" | "kubelet.conf")
                || kubernetes.starts_with("kubelet.env")
        }
        Component::KubeProxy => kubernetes.starts_with("kube-proxy"),
        Component::Flanneld => path.starts_with("/etc/kube-flannel/") || kubernetes.starts_with("flanneld"),
    }
}

/// Whether `component` cannot start without the program at `path`, which it runs itself or through another program.
pub(crate) fn wanted_binaries(component: Component, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    match component {
        Component::Containerd => matches!(name, "containerd" | "containerd-shim-runc-v2" | "runc"),
        // Without them the first pods of a host fail and are tried again later and later.
        Component::Kubelet => name == "kubelet" || path.starts_with("/opt/cni/bin/"),
        _ => name == component.program(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_certificate_restarts_only_its_readers() {
        let readers =
            |path: &str| -> Vec<Component> { Component::ALL.into_iter().filter(|component| inputs_of(*component, path)).collect() };
        assert_eq!(readers("/etc/kubernetes/pki/apiserver.crt"), [Component::KubeApiserver]);
        assert_eq!(readers("/etc/kubernetes/pki/etcd/peer.key"), [Component::Etcd]);
        assert_eq!(readers("/etc/kubernetes/kubelet.conf"), [Component::Kubelet]);
        assert_eq!(readers("/etc/kubernetes/kube-proxy.conf"), [Component::KubeProxy]);
        assert_eq!(readers("/etc/systemd/system/haproxy.service.d/10-barque.conf"), [Component::Haproxy]);
        assert_eq!(readers("/etc/kubernetes/admin.conf"), []);
    }
}
