//! What an item is in one cluster: values, hosts, and the line of the cluster file that decides.

use barque_catalog::{EntryKind, FieldEntry, FileEntry, Item, Subject};
use barque_engine::Context;
use barque_model::{Cluster, Component};
use barque_render::{RenderFacts, Setting, component_files, directories, dns_settings, host_files, settings};
use barque_spec::written;

use crate::terminal::Here;

/// The values of `item` in the cluster; empty where there is nothing to say.
pub(super) fn values(item: &Item, context: &Context) -> Vec<Here> {
    match item {
        Item::Setting(subject, entry) => setting(*subject, entry.kind, &entry.name, &entry.from, context),
        Item::Change(entry) => setting(entry.component, EntryKind::Flag, &entry.flag, &[], context),
        Item::File(entry) => file(entry, context),
        Item::Field(entry) => field(entry, context),
        _ => Vec::new(),
    }
}

/// The field of the cluster file that takes flags of `component`: `spec.extraArgs.kubeApiserver`.
pub(super) fn extra_args_field(component: Component) -> String {
    let word = match component {
        Component::Etcd => "etcd",
        Component::Haproxy => "haproxy",
        Component::Keepalived => "keepalived",
        Component::KubeApiserver => "kubeApiserver",
        Component::KubeControllerManager => "kubeControllerManager",
        Component::KubeScheduler => "kubeScheduler",
        Component::Containerd => "containerd",
        Component::Kubelet => "kubelet",
        Component::KubeProxy => "kubeProxy",
        Component::Flanneld => "flanneld",
    };
    format!("spec.extraArgs.{word}")
}

fn setting(subject: Subject, kind: EntryKind, name: &str, fields: &[String], context: &Context) -> Vec<Here> {
    let Context { cluster, release, .. } = context;
    let is_it = |setting: &Setting| setting.subject == subject && setting.kind == kind && setting.name == name;
    let (from, line) = decided_by(subject, kind, name, fields, context);
    let mut found: Vec<Here> = Vec::new();
    let mut add = |host: Option<&str>, setting: Setting| {
        let place = setting.place;
        match found.iter_mut().find(|known| known.value == setting.value && known.place == place) {
            Some(known) => known.hosts.extend(host.map(str::to_owned)),
            None => found.push(Here {
                hosts: host.map(str::to_owned).into_iter().collect(),
                value: setting.value,
                place,
                from: from.clone(),
                line,
            }),
        }
    };
    if subject == Subject::Coredns {
        for setting in dns_settings(cluster, release).into_iter().filter(is_it) {
            add(None, setting);
        }
    } else {
        for host in &cluster.hosts {
            for setting in settings(cluster, release, host, &RenderFacts::default()).into_iter().filter(is_it) {
                add(Some(host.name.as_str()), setting);
            }
        }
    }
    found
}

/// What decides a setting: the user's flag, a field that is written, a field's default, or barque; with the line when it is one place.
fn decided_by(subject: Subject, kind: EntryKind, name: &str, fields: &[String], context: &Context) -> (String, Option<u32>) {
    if let Subject::Component(component) = subject
        && kind == EntryKind::Flag
        && context.cluster.extra_args.get(&component).is_some_and(|flags| flags.contains_key(name))
    {
        let field = format!("{}.{name}", extra_args_field(component));
        let line = written(&context.text, &field).first().map(|found| found.line);
        return (field, line);
    }
    if fields.is_empty() {
        return ("barque".to_owned(), None);
    }
    let line = match fields {
        [field] => match written(&context.text, field).as_slice() {
            [one] => Some(one.line),
            _ => None,
        },
        _ => None,
    };
    (fields.join(", "), line)
}

fn field(entry: &FieldEntry, context: &Context) -> Vec<Here> {
    let here = |found: barque_spec::Written| Here {
        hosts: found.entry.and_then(|position| host_name(&entry.path, position, &context.cluster)).into_iter().collect(),
        value: found.value.unwrap_or_else(|| "…".to_owned()),
        place: String::new(),
        from: entry.path.clone(),
        line: Some(found.line),
    };
    written(&context.text, &entry.path).into_iter().map(here).collect()
}

fn host_name(path: &str, position: usize, cluster: &Cluster) -> Option<String> {
    if path.starts_with("spec.hosts[]") { cluster.hosts.get(position).map(|host| host.name.to_string()) } else { None }
}

/// The hosts on which a path lies. Programs and barque's own folder are not looked for: they lie wherever the entry says.
fn file(entry: &FileEntry, context: &Context) -> Vec<Here> {
    let Context { cluster, release, .. } = context;
    let mut found: Vec<Here> = Vec::new();
    for host in &cluster.hosts {
        let files = Component::ALL
            .into_iter()
            .flat_map(|component| component_files(cluster, release, host, component, &RenderFacts::default()))
            .chain(host_files(cluster, host))
            .map(|file| file.path);
        for path in files.chain(directories(cluster, host).into_iter().map(|(path, _, _)| path)).filter(|path| entry.matches(path)) {
            match found.iter_mut().find(|known| known.value == path) {
                Some(known) => known.hosts.push(host.name.to_string()),
                None => found.push(Here {
                    hosts: vec![host.name.to_string()],
                    value: path,
                    place: String::new(),
                    from: "barque".to_owned(),
                    line: None,
                }),
            }
        }
    }
    found
}
