//! What membership of an Ansible group means.

use barque_model::Role;

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its hosts have a role.
    Has(Role),
    /// It holds other groups, or every host.
    Structure,
    /// Its hosts are gone through to reach the others.
    Jump,
    /// Its hosts do something that barque does not deploy.
    Aside(&'static str),
}

/// The groups of kubeasz and kubespray, and plain words; `None` for any other.
pub(super) fn purpose(group: &str) -> Option<Purpose> {
    // Older releases of both write `kube-master`, newer ones `kube_master`.
    Some(match group.to_lowercase().replace('-', "_").as_str() {
        "etcd" => Purpose::Has(Role::Etcd),
        "kube_control_plane" | "kube_master" | "kube_masters" | "control_plane" | "master" | "masters" => Purpose::Has(Role::Master),
        "kube_node" | "kube_nodes" | "node" | "nodes" | "worker" | "workers" => Purpose::Has(Role::Node),
        "ex_lb" | "lb" | "load_balancer" | "load_balancers" | "loadbalancer" | "loadbalancers" => Purpose::Has(Role::LoadBalancer),
        "all" | "ungrouped" | "k8s_cluster" | "kube_cluster" | "kubernetes" | "cluster" => Purpose::Structure,
        "bastion" => Purpose::Jump,
        "deploy" => Purpose::Aside("barque runs where it is started"),
        "harbor" => Purpose::Aside("barque deploys no registry on hosts of its own"),
        "chrony" | "ntp" => Purpose::Aside("time is kept by the hosts' own service"),
        "calico_rr" => Purpose::Aside("the pod network is flannel, which has no route reflectors"),
        "new_master" | "new_node" => Purpose::Aside("name the hosts that are part of the cluster only"),
        _ => return None,
    })
}

/// The groups that make masters, for hints.
pub(super) const MASTER_GROUPS: &str = "`kube_control_plane`, `kube_master` or `masters`";
