//! What former installations have left, and Kubernetes of somebody else.

use barque_model::Component;

use crate::evaluate::HostView;
use crate::inspection::{Trace, TraceKind};
use crate::ports::words;
use crate::{CheckId, Finding};

/// What has been left: its kind, the check, the words before what was found, and the remedy.
const LEFTOVERS: [(TraceKind, CheckId, &str, &str); 5] = [
    (
        TraceKind::KubeletData,
        CheckId::KubeletLeftovers,
        "a former kubelet has left its data",
        "remove /var/lib/kubelet when nothing in it is needed; `findmnt -R /var/lib/kubelet` shows what must be unmounted first",
    ),
    (
        TraceKind::CniFile,
        CheckId::CniLeftovers,
        "a former pod network has left its configuration",
        "remove it with `rm` on the host, or containerd may take it for the cluster's",
    ),
    (
        TraceKind::EtcdData,
        CheckId::EtcdLeftovers,
        "etcd's data directory holds the data of another etcd",
        "keep a copy, then run `rm -r /var/lib/etcd/member` on the host",
    ),
    (
        TraceKind::Docker,
        CheckId::Docker,
        "Docker is or was there",
        "remove it with its data (`apt-get purge docker.io docker-ce; rm -r /var/lib/docker`), or accept this check",
    ),
    (
        TraceKind::PacketFilter,
        CheckId::PacketFilterLeftovers,
        "a former kube-proxy or pod network has left packet-filter rules",
        "reboot the host, or remove them: `nft list tables` and `iptables-save` show them",
    ),
];

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let foreign = |kind: TraceKind| view.inspection.traces.iter().filter(move |trace| trace.kind == kind && !is_own(view, trace));
    let kubernetes: Vec<String> = foreign(TraceKind::KubernetesProcess).chain(foreign(TraceKind::KubernetesFile)).map(named).collect();
    if !kubernetes.is_empty() {
        // A cluster that lives has its data and rules: they are no leftovers.
        findings.push(view.finding(
            CheckId::ForeignKubernetes,
            format!("a Kubernetes that is not barque's is there: {}", kubernetes.join(", ")),
            "use another host, or take the other cluster off it by its own means, such as `kubeadm reset`",
        ));
        return;
    }
    for (kind, check, words, remedy) in LEFTOVERS {
        let found: Vec<String> = foreign(kind).map(named).collect();
        if !found.is_empty() {
            findings.push(view.finding(check, format!("{words}: {}", found.join(", ")), remedy));
        }
    }
}

/// Whether barque has made it.
fn is_own(view: &HostView<'_>, trace: &Trace) -> bool {
    let managed = &view.inspection.managed;
    let runs = |component: Component| managed.has_unit(&component.unit());
    match trace.kind {
        TraceKind::KubernetesProcess => trace.process.as_ref().is_some_and(|process| {
            process.unit.as_deref().is_some_and(|unit| managed.has_unit(unit)) || (process.pod && runs(Component::Kubelet))
        }),
        // Other distributions have folders of their own, which barque never makes.
        TraceKind::KubernetesFile => trace.what.starts_with("/etc/kubernetes/") && managed.has_path("/etc/kubernetes"),
        TraceKind::KubeletData => runs(Component::Kubelet) || managed.has_path("/var/lib/kubelet"),
        TraceKind::CniFile => managed.has_path(&trace.what),
        TraceKind::EtcdData => runs(Component::Etcd) || managed.has_path("/var/lib/etcd"),
        TraceKind::PacketFilter => runs(Component::KubeProxy) || runs(Component::Flanneld),
        TraceKind::Docker => false,
    }
}

fn named(trace: &Trace) -> String {
    trace.process.as_ref().map_or_else(|| format!("`{}`", trace.what), words)
}
