//! What installations have left or run.

use barque_check::{Process, Trace, TraceKind};

use super::read::{exists, files, names};
use crate::context::HostContext;
use crate::sweep::filter_traces;

/// Programs of Kubernetes and of distributions of it, as the kernel names processes: the first 15 characters.
const KUBERNETES: [&str; 12] = [
    "kubelet",
    "kube-apiserver",
    "kube-controller",
    "kube-scheduler",
    "kube-proxy",
    "k3s",
    "k3s-server",
    "k3s-agent",
    "k0s",
    "rke2",
    "kubelite",
    "hyperkube",
];
/// Folders of distributions of Kubernetes.
const DISTRIBUTIONS: [&str; 4] = ["/var/lib/rancher/k3s", "/var/lib/rancher/rke2", "/var/lib/k0s", "/var/snap/microk8s"];
/// What kubelet leaves in /var/lib/kubelet. The folder itself may be a mount.
const KUBELET: [&str; 5] = ["config.yaml", "kubeadm-flags.env", "cpu_manager_state", "memory_manager_state", "device-plugins"];
/// The same, folders that count when something is in them.
const KUBELET_FOLDERS: [&str; 2] = ["pods", "pki"];

/// Files and processes.
pub(super) fn traces(context: &HostContext, processes: &[Process]) -> Vec<Trace> {
    let mut traces = Vec::new();
    let mut add =
        |kind, what: &str, process: Option<&Process>| traces.push(Trace { kind, what: what.to_owned(), process: process.cloned() });
    for process in processes {
        if KUBERNETES.contains(&process.name.as_str()) {
            add(TraceKind::KubernetesProcess, &process.name, Some(process));
        }
        if process.name == "dockerd" {
            add(TraceKind::Docker, &process.name, Some(process));
        }
    }
    let configuration = files(context, "/etc/kubernetes", ".conf").into_iter().chain(files(context, "/etc/kubernetes/manifests", ".yaml"));
    configuration.for_each(|path| add(TraceKind::KubernetesFile, &path, None));
    DISTRIBUTIONS.iter().filter(|path| exists(context, path)).for_each(|path| add(TraceKind::KubernetesFile, path, None));
    let kubelet = "/var/lib/kubelet";
    let data = KUBELET.iter().map(|name| format!("{kubelet}/{name}")).filter(|path| exists(context, path));
    let folders = KUBELET_FOLDERS.iter().map(|name| format!("{kubelet}/{name}")).filter(|path| !names(context, path).is_empty());
    data.chain(folders).for_each(|path| add(TraceKind::KubeletData, &path, None));
    // containerd reads these endings (its CNI library).
    for end in [".conf", ".conflist", ".json"] {
        for path in files(context, "/etc/cni/net.d", end) {
            add(TraceKind::CniFile, &path, None);
        }
    }
    if exists(context, "/var/lib/etcd/member") {
        add(TraceKind::EtcdData, "/var/lib/etcd/member", None);
    }
    if !names(context, "/var/lib/docker").is_empty() {
        add(TraceKind::Docker, "/var/lib/docker", None);
    }
    traces
}

/// Tables and chains of packet filters, by the programs that the host has.
pub(super) async fn packet_filters() -> Vec<Trace> {
    let found = filter_traces().await;
    found.into_iter().map(|what| Trace { kind: TraceKind::PacketFilter, what, process: None }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fs_err as fs;

    use super::*;

    #[test]
    fn empty_folders_are_no_traces() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        for folder in ["var/lib/kubelet/pods", "var/lib/docker", "var/lib/etcd", "etc/cni/net.d", "etc/kubernetes/manifests"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        assert_eq!(traces(&context, &[]), []);
        for file in ["var/lib/kubelet/config.yaml", "etc/cni/net.d/10-a.conflist", "etc/kubernetes/admin.conf", "var/lib/docker/x"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        fs::create_dir(root.path().join("var/lib/etcd/member")).unwrap();
        let docker = Process { name: "dockerd".into(), pid: 9, unit: Some("docker.service".into()), pod: false };
        let found: Vec<TraceKind> = traces(&context, &[docker]).iter().map(|trace| trace.kind).collect();
        let expected = [
            TraceKind::Docker,
            TraceKind::KubernetesFile,
            TraceKind::KubeletData,
            TraceKind::CniFile,
            TraceKind::EtcdData,
            TraceKind::Docker,
        ];
        assert_eq!(found, expected);
    }
}
