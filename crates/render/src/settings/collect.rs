//! Collects the settings of one host.

use barque_catalog::{EntryKind, Subject};
use barque_model::{Cluster, Component, Host, HostFile, Release};
use serde_json::Value;

use super::{json, text};
use crate::args::Args;
use crate::component::RenderFacts;

/// What is shown in place of a password.
const SECRET: &str = "(secret)";

/// One value that barque sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Whose setting it is.
    pub subject: Subject,
    /// Whether it is a flag or a field.
    pub kind: EntryKind,
    /// Its name in the catalog.
    pub name: String,
    /// Its value as written; empty for a word that is set by being there.
    pub value: String,
    /// The file on the host that holds it, or the object in the cluster.
    pub place: String,
}

/// Everything that is set on `host`: flags, fields of configuration files, units, kernel parameters.
///
/// In the order of components and files. A field that stands in a list several times is one setting with all values.
pub fn settings(cluster: &Cluster, release: &Release, host: &Host, facts: &RenderFacts) -> Vec<Setting> {
    let mut found = Vec::new();
    for component in Component::ALL.into_iter().filter(|component| host.runs(*component)) {
        let subject = Subject::Component(component);
        if let Some((args, place)) = flags(cluster, host, component) {
            found.extend(args.pairs().iter().map(|(name, value)| Setting {
                subject,
                kind: EntryKind::Flag,
                name: name.clone(),
                value: value.clone(),
                place: place.to_owned(),
            }));
        }
        for (prefix, value, place) in documents(cluster, host, component) {
            found.extend(json::fields(subject, prefix, &value, place));
        }
        for file in crate::component_files(cluster, release, host, component, facts) {
            found.extend(file_settings(&file));
        }
    }
    for file in crate::host_files(cluster, host) {
        found.extend(file_settings(&file));
    }
    found
}

/// Flags of a component and the file that holds them. keepalived has none.
fn flags(cluster: &Cluster, host: &Host, component: Component) -> Option<(Args, &'static str)> {
    Some(match component {
        Component::Etcd => (crate::etcd::args(cluster, host), "/etc/etcd/etcd.env"),
        Component::Haproxy => (crate::haproxy::args(cluster), "/etc/haproxy/haproxy.env"),
        Component::Keepalived => return None,
        Component::KubeApiserver => (crate::apiserver::args(cluster, host), "/etc/kubernetes/kube-apiserver.env"),
        Component::KubeControllerManager => {
            (crate::control::controller_manager_args(cluster, host), "/etc/kubernetes/kube-controller-manager.env")
        }
        Component::KubeScheduler => (crate::control::scheduler_args(cluster, host), "/etc/kubernetes/kube-scheduler.env"),
        Component::Containerd => (crate::containerd::args(cluster), "/etc/containerd/containerd.env"),
        Component::Kubelet => (crate::kubelet::args(cluster, host), "/etc/kubernetes/kubelet.env"),
        Component::KubeProxy => (crate::kube_proxy::args(cluster), "/etc/kubernetes/kube-proxy.env"),
        Component::Flanneld => (crate::flannel::args(cluster, host), "/etc/kubernetes/flanneld.env"),
    })
}

/// Configuration files that are made from values: a prefix of their fields' names, the value, the path.
fn documents(cluster: &Cluster, host: &Host, component: Component) -> Vec<(&'static str, Value, &'static str)> {
    use crate::apiserver_config::{ADMISSION_PATH, AUDIT_POLICY_PATH, AUTHENTICATION_PATH, admission, audit_policy, authentication};
    match component {
        Component::KubeApiserver => vec![
            ("AuthenticationConfiguration", authentication(), AUTHENTICATION_PATH),
            ("AdmissionConfiguration", admission(), ADMISSION_PATH),
            ("AuditPolicy", audit_policy(), AUDIT_POLICY_PATH),
        ],
        Component::KubeScheduler => vec![("", crate::control::scheduler_config(), "/etc/kubernetes/kube-scheduler.yaml")],
        Component::Kubelet => vec![("", crate::kubelet::config(cluster, host), crate::paths::KUBELET_CONFIG)],
        Component::KubeProxy => vec![("", crate::kube_proxy::config(cluster, host), crate::kube_proxy::CONFIG)],
        Component::Flanneld => vec![("", crate::flannel::net_conf(cluster), crate::flannel::NET_CONF)],
        _ => Vec::new(),
    }
}

/// Settings of files that are written as text. Files with flags and those of [`documents`] are none of them.
fn file_settings(file: &HostFile) -> Vec<Setting> {
    let content = String::from_utf8_lossy(file.content.expose());
    let path = file.path.as_str();
    let component = |component| Subject::Component(component);
    let pairs = |subject: Subject, pairs: Vec<(String, String)>| {
        let field = |(name, value)| Setting { subject, kind: EntryKind::Field, name, value, place: path.to_owned() };
        pairs.into_iter().map(field).collect::<Vec<_>>()
    };
    if path.starts_with("/etc/systemd/") {
        return pairs(Subject::Systemd, text::sections(&content, ""));
    }
    if path.starts_with("/etc/sysctl.d/") {
        return pairs(Subject::Kernel, text::parameters(&content));
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "config.toml" => pairs(component(Component::Containerd), text::sections(&content, "")),
        "hosts.toml" => {
            let mut found = pairs(component(Component::Containerd), text::sections(&content, "hosts.toml"));
            found
                .iter_mut()
                .filter(|setting| setting.name.ends_with(".Authorization"))
                .for_each(|setting| SECRET.clone_into(&mut setting.value));
            found
        }
        "haproxy.cfg" => pairs(component(Component::Haproxy), text::indented(&content)),
        "keepalived.conf" => pairs(component(Component::Keepalived), text::blocks(&content, text::Inner::List)),
        name if name.ends_with(".conflist") => {
            serde_json::from_str(&content).map_or_else(|_| Vec::new(), |value: Value| json::fields(Subject::Cni, "", &value, path))
        }
        _ => Vec::new(),
    }
}
