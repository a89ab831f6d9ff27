//! What a rollback does not bring back, said before it starts.

use barque_model::Component;

use super::cluster::{Course, Rollback, UndoInputs};
use super::item::{ETCD_MEMBER, HostItems};
use super::sweeps::CONTAINERD_DATA;
use crate::{KubeUndo, Prior, Resource};

/// Hosts named in one sentence at most; a big cluster has hundreds that are alike.
const NAMED: usize = 8;

/// Sentences for people, in the order of their weight.
pub fn irreversible(inputs: &UndoInputs<'_>) -> Vec<String> {
    let rollback = Rollback::new(inputs);
    let hosts = |wanted: &dyn Fn(&HostItems<'_>) -> bool| {
        let names: Vec<&str> = rollback.hosts.iter().filter(|host| wanted(host)).map(|host| host.name.as_str()).collect();
        (!names.is_empty()).then(|| listed(&names))
    };
    let mut found = Vec::new();
    if let Some(hosts) = hosts(&|host| host.is_new(Component::Etcd) && inputs.delete_data) {
        found.push(format!("etcd's data on {hosts} ({ETCD_MEMBER}) are deleted for good, and with them every object of the cluster"));
    }
    if let Some(hosts) = hosts(&|host| host.keeps_etcd_data) {
        found.push(format!(
            "etcd's data on {hosts} stay in {ETCD_MEMBER}, with their folder and the user `etcd`; `--delete-data` deletes them"
        ));
    }
    if rollback.course == Course::Teardown && !inputs.kube.is_empty() {
        let count = if inputs.kube.len() == 1 { "1 change".to_owned() } else { format!("{} changes", inputs.kube.len()) };
        found.push(format!("{count} in the cluster cannot be taken back one by one, because no API server is left"));
    }
    if let Some(hosts) = hosts(&|host| host.is_new(Component::Kubelet)) {
        found.push(format!(
            "all pods on {hosts} end; what they wrote to their containers and to emptyDir volumes is gone, what they wrote to other volumes stays"
        ));
    }
    if rollback.course != Course::Teardown && inputs.kube.iter().any(|change| matches!(change, KubeUndo::Delete { .. })) {
        found.push("objects that are deleted take along what belongs to them, and deleted volumes their data".to_owned());
    }
    let folder = &inputs.cluster.runtime.data_directory;
    if let Some(hosts) = hosts(&|host| host.is_new(Component::Containerd)).filter(|_| folder != CONTAINERD_DATA) {
        found.push(format!("containerd's data on {hosts} stay in {folder}, which may hold other things too"));
    }
    found.extend(packages(&rollback));
    for host in &rollback.hosts {
        for item in inputs.items.get(host.name).into_iter().flatten() {
            if let Prior::Other { what } = &item.prior {
                found.push(format!("{} on {} was {what}, which cannot be brought back", item.resource.id(), host.name));
            }
        }
    }
    found
}

/// Packages that stay because they were there before, by what they came with.
fn packages(rollback: &Rollback<'_>) -> Vec<String> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for host in &rollback.hosts {
        for part in host.parts.iter().filter(|part| part.goes()) {
            let (Resource::Package(_), Prior::Package { installed }) = (&part.item.resource, &part.item.prior) else { continue };
            let names: Vec<&str> = installed.iter().map(|(name, _)| name.as_str()).collect();
            let names = listed(&names);
            match found.iter_mut().find(|(known, _)| *known == names) {
                Some((_, hosts)) => hosts.push(host.name.as_str()),
                None => found.push((names, vec![host.name.as_str()])),
            }
        }
    }
    found.retain(|(names, _)| !names.is_empty());
    found.into_iter().map(|(names, hosts)| format!("packages that were there before stay on {}: {names}", listed(&hosts))).collect()
}

fn listed(names: &[&str]) -> String {
    match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}
