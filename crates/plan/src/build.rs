//! Builds the step graph from what must be and what was observed.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Cluster, Digest, HostName, NodeState, ObjectDifference, Role};

use crate::addons::AddonWanted;
use crate::desired::{DesiredResource, HostDesired};
use crate::graph::{Graph, Key};
use crate::held::held;
use crate::rolling::Rolling;
use crate::{Action, Change, Difference, LedgerEntry, Observed, OnChange, Plan, Resource, ResourceId, difference};
use crate::{addons, gates, removal};

/// What was seen of the cluster as a whole. Empty before the first deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Nodes that have registered.
    pub nodes: Vec<NodeState>,
    /// Objects by name; one that is missing here is taken for absent.
    pub objects: BTreeMap<String, ObjectDifference>,
    /// Fields of objects that belong to somebody else, by the objects' names; only where there are any.
    pub conflicts: BTreeMap<String, Vec<String>>,
}

/// A cluster object to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterObject {
    /// `Kind namespace/name` or `Kind name`.
    pub name: String,
    /// The object as JSON.
    pub json: String,
}

/// What was seen of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostObserved {
    /// Resources as observed.
    pub resources: BTreeMap<ResourceId, Observed>,
    /// Blobs that the host's store lacks.
    pub missing_blobs: BTreeSet<Digest>,
}

/// Everything a plan follows from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInputs<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What must be on each host.
    pub desired: &'a BTreeMap<HostName, HostDesired>,
    /// What is there.
    pub observed: &'a BTreeMap<HostName, HostObserved>,
    /// What barque has applied there before.
    pub ledger: &'a BTreeMap<HostName, Vec<LedgerEntry>>,
    /// Whether files and programs that somebody changed are overwritten.
    pub overwrite_drift: bool,
    /// What the API says.
    pub facts: &'a ClusterFacts,
    /// RBAC objects that components need.
    pub bootstrap: &'a [ClusterObject],
    /// The DNS add-on's objects.
    pub dns: &'a [ClusterObject],
    /// Add-ons that are on, each after those that it needs.
    pub addons: &'a [AddonWanted],
    /// Objects of add-ons that are there and that no add-on wants any more, in the order in which they are deleted.
    pub unwanted: &'a [ClusterObject],
    /// PEM of the Kubernetes certificate authority, for probes.
    pub authority: &'a str,
}

/// Builds the plan.
pub fn build(inputs: &PlanInputs<'_>) -> Plan {
    let held: BTreeSet<(HostName, ResourceId)> = held(inputs).into_iter().map(|held| (held.host, held.resource)).collect();
    let changes: BTreeMap<&HostName, BTreeMap<ResourceId, Difference>> =
        inputs.cluster.hosts.iter().map(|host| (&host.name, host_changes(inputs, &host.name, &held))).collect();
    let rolling = Rolling::new(inputs, &changes);
    let mut graph = Graph::default();
    for host in &inputs.cluster.hosts {
        let Some(desired) = inputs.desired.get(&host.name) else { continue };
        let changed = &changes[&host.name];
        let removals = removal::removals(inputs, &host.name, &held);
        removal::add(&mut graph, &host.name, desired, &removals);
        transfers(&mut graph, inputs, &host.name, desired, changed);
        for wanted in &desired.resources {
            let id = wanted.resource.id();
            let key = Key::resource(&host.name, &id);
            let mut after: Vec<Key> = wanted.after.iter().map(|needed| Key::resource(&host.name, needed)).collect();
            let Some(found) = changed.get(&id) else {
                graph.pass_through(key, after);
                continue;
            };
            after.extend(wanted.resource.blobs().iter().map(|blob| Key::blob(&host.name, &blob.digest)));
            after.extend(rolling.waits_for(&host.name, &id));
            after.extend(gates::before(inputs, host, wanted, found, &rolling));
            after.extend(wanted.component.into_iter().flat_map(|component| removal::read_by(component, &host.name, &removals)));
            if matches!(wanted.resource, Resource::Package(_)) {
                after.extend(removal::before_packages(&host.name, &removals));
            }
            graph.step(
                key,
                wanted.stage,
                Some(host.name.clone()),
                title(&wanted.resource, found),
                after,
                Action::Apply { resource: wanted.resource.clone(), difference: found.clone(), stales: readers(desired, &id) },
            );
        }
    }
    gates::add(&mut graph, inputs, &rolling);
    addons::add(&mut graph, inputs);
    graph.into_plan()
}

/// Differences of one host's resources, with restarts that follow from changed inputs.
fn host_changes(inputs: &PlanInputs<'_>, host: &HostName, held: &BTreeSet<(HostName, ResourceId)>) -> BTreeMap<ResourceId, Difference> {
    let empty = HostObserved::default();
    let observed = inputs.observed.get(host).unwrap_or(&empty);
    let Some(desired) = inputs.desired.get(host) else { return BTreeMap::new() };
    let seen = |id: &ResourceId| observed.resources.get(id).unwrap_or(&Observed::Absent);
    let mut changes: BTreeMap<ResourceId, Difference> = desired
        .resources
        .iter()
        .filter_map(|wanted| {
            let id = wanted.resource.id();
            let found = difference(&wanted.resource, seen(&id))?;
            (!held.contains(&(host.clone(), id.clone()))).then_some((id, found))
        })
        .collect();
    for wanted in &desired.resources {
        let Resource::Unit(unit) = &wanted.resource else { continue };
        let id = wanted.resource.id();
        let changed_inputs: Vec<&ResourceId> = wanted.inputs.iter().filter(|input| changes.contains_key(*input)).collect();
        // A reload reads the configuration again and nothing else: not the unit, its environment or the program.
        let reloadable = !changed_inputs.is_empty()
            && changed_inputs
                .iter()
                .all(|input| ["file /etc/haproxy/haproxy.cfg", "file /etc/kubernetes/pki/ca.crt"].contains(&input.0.as_str()));
        if let Some(found) = changes.get(&id).filter(|found| found.change == Change::Reload && !reloadable) {
            let restart = Difference { change: Change::Restart, reasons: found.reasons.clone() };
            changes.insert(id, restart);
            continue;
        }
        let runs_as_planned = !changes.contains_key(&id) || changes[&id].change == Change::Enable;
        if runs_as_planned && !changed_inputs.is_empty() {
            let change = if unit.on_change == OnChange::Reload && reloadable { Change::Reload } else { Change::Restart };
            let reasons = changed_inputs.iter().map(|input| format!("{input} is put back")).collect();
            changes.insert(id, Difference { change, reasons });
        }
    }
    changes
}

/// The units that have `id` among their inputs.
fn readers(desired: &HostDesired, id: &ResourceId) -> Vec<String> {
    let units = desired.resources.iter().filter_map(|wanted| match &wanted.resource {
        Resource::Unit(unit) if wanted.inputs.contains(id) => Some(unit.name.clone()),
        _ => None,
    });
    units.collect()
}

/// Transfers of the blobs that changed resources need and the host lacks, in the order in which components start.
fn transfers(
    graph: &mut Graph,
    inputs: &PlanInputs<'_>,
    host: &HostName,
    desired: &HostDesired,
    changed: &BTreeMap<ResourceId, Difference>,
) {
    let Some(observed) = inputs.observed.get(host) else { return };
    let mut wanted: Vec<&DesiredResource> = desired.resources.iter().filter(|wanted| changed.contains_key(&wanted.resource.id())).collect();
    wanted.sort_by_key(|wanted| (transfer_rank(&wanted.resource), wanted.stage));
    for wanted in wanted {
        for blob in wanted.resource.blobs() {
            if observed.missing_blobs.contains(&blob.digest) {
                let name = blob_name(&wanted.resource, &blob.digest);
                let key = Key::blob(host, &blob.digest);
                graph.step(key, wanted.stage, Some(host.clone()), format!("send {name}"), Vec::new(), Action::Transfer { blob, name });
            }
        }
    }
}

/// What a cluster waits for longest is sent first: etcd, then the API server, then what makes a node.
fn transfer_rank(resource: &Resource) -> u8 {
    let Resource::Binary(binary) = resource else { return if matches!(resource, Resource::Package(_)) { 1 } else { 6 } };
    match binary.path.rsplit('/').next().unwrap_or("") {
        "etcd" => 0,
        "kube-apiserver" => 2,
        "etcdctl" | "kube-controller-manager" | "kube-scheduler" => 3,
        "kubectl" | "etcdutl" => 7,
        "flanneld" | "kube-proxy" => 5,
        // The runtime, kubelet, and what they call: small ones, and wanted together.
        _ => 4,
    }
}

fn blob_name(resource: &Resource, digest: &Digest) -> String {
    match resource {
        Resource::Binary(binary) => binary.path.rsplit('/').next().unwrap_or(&binary.path).to_owned(),
        Resource::Image(image) => image.reference.clone(),
        Resource::Package(package) => package
            .archives
            .iter()
            .find(|archive| archive.blob.digest == *digest)
            .map_or_else(|| package.name.clone(), |archive| archive.name.clone()),
        other => other.id().0,
    }
}

pub(crate) fn title(resource: &Resource, found: &Difference) -> String {
    match resource {
        Resource::Unit(unit) => format!("{} {}", found.change.verb(), unit.name),
        Resource::Directory(directory) => format!("{} {}", found.change.verb(), directory.path),
        Resource::File(file) => format!("{} {}", found.change.verb(), file.path),
        Resource::Binary(binary) => format!("install {} {}", binary.path, binary.version),
        Resource::Package(package) => format!("install package {}", package.name),
        Resource::Image(image) => format!("import {}", image.reference),
        Resource::User(_) | Resource::Sysctl(_) | Resource::HostsLine(_) => format!("set {}", resource.id()),
    }
}

/// Roles a node shows in `kubectl get nodes`, with the labels of the cluster file.
pub fn node_labels(host: &barque_model::Host) -> BTreeMap<String, String> {
    let mut labels = host.labels.clone();
    if host.has(Role::Master) {
        labels.insert("node-role.kubernetes.io/control-plane".into(), String::new());
    }
    if host.has(Role::Node) {
        labels.insert("node-role.kubernetes.io/node".into(), String::new());
    }
    labels
}
