//! What components leave behind beside their files, where they end and had never run before.

use barque_event::Stage;
use barque_model::{Cluster, Component};

use super::item::{ETCD_MEMBER, HostItems};
use crate::graph::{Graph, Key};
use crate::{Action, Resource, Sweep};

/// Names of the sweeps' steps.
pub(super) const SWEEPS: [&str; 4] = ["pods", "network", "leftovers", "data"];

/// containerd's data, unless the cluster file names another folder.
pub(super) const CONTAINERD_DATA: &str = "/var/lib/containerd";
/// State of its containers, and its folder for optional programs, which it makes when it starts.
const CONTAINERD_OTHER: [&str; 2] = ["/run/containerd", "/opt/containerd"];
const KUBELET_FOLDER: &str = "/var/lib/kubelet";
/// What kubelet makes in its folder, for a folder that was there before or is another run's.
const KUBELET_MAKES: [&str; 13] = [
    "actuated_pods_state",
    "allocated_pods_state",
    "checkpoints",
    "cpu_manager_state",
    "device-plugins",
    "dra_manager_state",
    "image_manager",
    "memory_manager_state",
    "plugins",
    "plugins_registry",
    "pod-resources",
    "pods",
    "pods-api",
];
/// Addresses that CNI plugins gave away and their cache; the folder for volume plugins, which kubelet makes when it starts; what it tells logind, where
/// that runs, so that a shutdown waits for pods (`InhibitDelayMaxSec`, pkg/kubelet/nodeshutdown/systemd in Kubernetes 1.37).
const KUBELET_OTHER: [&str; 3] = ["/var/lib/cni", "/usr/libexec/kubernetes", "/etc/systemd/logind.conf.d/99-kubelet.conf"];
/// haproxy's package keeps its folder (a socket for logs is in it); keepalived names its routes for `ip`.
const BALANCER_LEFTOVERS: [(Component, &str); 2] =
    [(Component::Haproxy, "/var/lib/haproxy"), (Component::Keepalived, "/etc/iproute2/rt_addrprotos.d/keepalived.conf")];
const FLANNEL_STATE: &str = "/run/flannel";

impl HostItems<'_> {
    /// Adds the host's sweeps. Logs stay.
    pub(super) fn sweeps(&self, graph: &mut Graph, cluster: &Cluster, delete_data: bool) {
        let mut add = |name: &str, stage: Stage, title: &str, after: Vec<Key>, sweep: Sweep| {
            let key = Key::host_gate(self.name, name);
            graph.step(key, stage, Some(self.name.clone()), title.to_owned(), after, Action::Sweep { sweep });
        };
        let units = |components: &[Component]| {
            components.iter().filter(|component| self.ends(**component)).map(|component| self.unit_key(*component)).collect::<Vec<_>>()
        };
        let mut ended = units(&[Component::Kubelet, Component::Containerd, Component::KubeProxy, Component::Flanneld]);
        if self.is_new(Component::Kubelet) {
            add("pods", Stage::Nodes, "end all pods", units(&[Component::Kubelet]), Sweep::Pods);
            ended.push(Key::host_gate(self.name, "pods"));
            add("network", Stage::Nodes, "remove the pods' network", ended.clone(), Sweep::Network);
            ended.push(Key::host_gate(self.name, "network"));
        }
        let paths = self.leftovers(cluster);
        if !paths.is_empty() {
            // Files among them go back by themselves first.
            let within = |folder: &String| self.keys(|part| part.is_within(folder) && !part.is_directory());
            ended.extend(paths.iter().flat_map(within));
            add("leftovers", Stage::Nodes, "remove what containers and their programs wrote", ended, Sweep::Paths { paths });
        }
        let (paths, packages) = self.balancer_leftovers();
        if !paths.is_empty() {
            add("balancer", Stage::LoadBalancer, "remove what the balancer's programs wrote", packages, Sweep::Paths { paths });
        }
        if self.is_new(Component::Etcd) && delete_data {
            let sweep = Sweep::Paths { paths: vec![ETCD_MEMBER.to_owned()] };
            add("data", Stage::Etcd, "delete etcd's data", units(&[Component::Etcd]), sweep);
        }
    }

    /// What packages and their programs leave behind, and the removal of the packages, which comes first.
    fn balancer_leftovers(&self) -> (Vec<String>, Vec<Key>) {
        let found = BALANCER_LEFTOVERS.iter().filter_map(|(component, path)| {
            let package = |part: &&super::item::Part<'_>| {
                part.goes() && matches!(&part.item.resource, Resource::Package(package) if package.name == component.program())
            };
            let package = self.parts.iter().find(package)?;
            // The package enabled its unit when it came: that it goes says that it is new.
            self.ends(*component).then(|| ((*path).to_owned(), package.key.clone()))
        });
        found.unzip()
    }

    fn leftovers(&self, cluster: &Cluster) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        if self.is_new(Component::Containerd) {
            // Another folder may hold other things too.
            paths.extend((cluster.runtime.data_directory == CONTAINERD_DATA).then(|| CONTAINERD_DATA.to_owned()));
            paths.extend(CONTAINERD_OTHER.map(str::to_owned));
        }
        if self.is_new(Component::Kubelet) {
            let own = self.parts.iter().any(|part| part.is_directory() && part.path() == Some(KUBELET_FOLDER) && part.goes());
            if own {
                paths.push(KUBELET_FOLDER.to_owned());
            } else {
                paths.extend(KUBELET_MAKES.map(|name| format!("{KUBELET_FOLDER}/{name}")));
            }
            paths.extend(KUBELET_OTHER.map(str::to_owned));
        }
        paths.extend(self.is_new(Component::Flanneld).then(|| FLANNEL_STATE.to_owned()));
        paths
    }
}
