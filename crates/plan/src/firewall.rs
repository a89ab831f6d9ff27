//! The plan of `firewall apply` and `firewall remove`: rules and the unit that loads them, on every host under a dead-man switch.
//!
//! These resources are no part of the desired state that `up` plans with: what is applied here stays until it is removed here or taken back.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{HostName, RunId};

use crate::build::title;
use crate::desired::DesiredResource;
use crate::graph::{Graph, Key};
use crate::{Action, Change, Difference, HostDesired, HostObserved, LedgerEntry, Observed, Plan, Prior, Resource, ResourceId, difference};

/// The unit that loads the rules.
pub const FIREWALL_UNIT: &str = "barque-firewall.service";
/// Where its unit file lies.
pub const FIREWALL_UNIT_FILE: &str = "/etc/systemd/system/barque-firewall.service";
/// The folder of the rules.
pub const FIREWALL_FOLDER: &str = "/etc/barque/";
/// The package that `firewall apply` brings where a host has no `nft`. It stays when the rules go.
pub const FIREWALL_PACKAGE: &str = "nftables";
/// Before every run: what is restored is what was there before barque came.
const ORIGIN: &str = "00000000T000000Z-0000";

/// Everything a plan of the firewall follows from.
#[derive(Debug, Clone, Copy)]
pub struct FirewallInputs<'a> {
    /// What must be on each host that answers: nothing where the rules are removed.
    pub desired: &'a BTreeMap<HostName, HostDesired>,
    /// What is there.
    pub observed: &'a BTreeMap<HostName, HostObserved>,
    /// What barque has applied there before.
    pub ledger: &'a BTreeMap<HostName, Vec<LedgerEntry>>,
    /// Seconds within which the change must be confirmed over a new connection.
    pub confirm_within: u32,
}

/// Whether a resource belongs to the firewall, so that `up` leaves it alone.
pub fn is_of_firewall(resource: &Resource) -> bool {
    match resource {
        Resource::Unit(unit) => unit.name == FIREWALL_UNIT,
        Resource::File(file) => file.path == FIREWALL_UNIT_FILE || file.path.starts_with(FIREWALL_FOLDER),
        Resource::Directory(directory) => FIREWALL_FOLDER.starts_with(&format!("{}/", directory.path.trim_end_matches('/'))),
        _ => false,
    }
}

/// Builds the plan; it has no step where all is as wanted.
pub fn firewall(inputs: &FirewallInputs<'_>) -> Plan {
    let mut graph = Graph::default();
    let mut changed: Vec<(HostName, Vec<Key>)> = Vec::new();
    for (host, desired) in inputs.desired {
        let empty = HostObserved::default();
        let seen = inputs.observed.get(host).unwrap_or(&empty);
        let ledger = inputs.ledger.get(host).map_or(&[][..], Vec::as_slice);
        let keys = add_host(&mut graph, host, desired, seen, ledger, inputs.confirm_within);
        if !keys.is_empty() {
            changed.push((host.clone(), keys));
        }
    }
    if !changed.is_empty() {
        let hosts: Vec<HostName> = changed.iter().map(|(host, _)| host.clone()).collect();
        let after = changed.into_iter().flat_map(|(_, keys)| keys).collect();
        let title = "connect to every host anew and confirm the rules".to_owned();
        graph.step(Key::gate("confirm"), Stage::Hosts, None, title, after, Action::Confirm { hosts });
    }
    graph.into_plan()
}

/// Adds the steps of a host; returns those that must be done before it can be confirmed.
fn add_host(
    graph: &mut Graph,
    host: &HostName,
    desired: &HostDesired,
    seen: &HostObserved,
    ledger: &[LedgerEntry],
    confirm_within: u32,
) -> Vec<Key> {
    let changes = changes(desired, seen);
    let unwanted = unwanted(desired, seen, ledger);
    let packages: Vec<Key> =
        desired.resources.iter().filter(|wanted| is_package(wanted)).map(|wanted| Key::resource(host, &wanted.resource.id())).collect();
    let guarded = changes.keys().any(|id| desired.resources.iter().any(|wanted| wanted.resource.id() == *id && !is_package(wanted)));
    let switch = Key::host_gate(host, "dead-man switch");
    if guarded || !unwanted.is_empty() {
        let title = format!("arm the dead-man switch, {confirm_within} s");
        graph.step(switch.clone(), Stage::Hosts, Some(host.clone()), title, packages, Action::Arm { seconds: confirm_within });
    }
    let mut keys = Vec::new();
    for wanted in &desired.resources {
        let id = wanted.resource.id();
        let key = Key::resource(host, &id);
        let mut after: Vec<Key> = wanted.after.iter().map(|needed| Key::resource(host, needed)).collect();
        let Some(found) = changes.get(&id) else {
            graph.pass_through(key, after);
            continue;
        };
        for blob in wanted.resource.blobs().into_iter().filter(|blob| seen.missing_blobs.contains(&blob.digest)) {
            let name = id.0.clone();
            let action = Action::Transfer { blob, name: name.clone() };
            graph.step(Key::blob(host, &blob.digest), Stage::Hosts, Some(host.clone()), format!("send {name}"), Vec::new(), action);
            after.push(Key::blob(host, &blob.digest));
        }
        if !is_package(wanted) {
            after.push(switch.clone());
            keys.push(key.clone());
        }
        let action = Action::Apply { resource: wanted.resource.clone(), difference: found.clone(), stales: readers(desired, &id) };
        graph.step(key, Stage::Hosts, Some(host.clone()), title(&wanted.resource, found), after, action);
    }
    keys.extend(remove(graph, host, &unwanted, &switch));
    keys
}

fn is_package(wanted: &DesiredResource) -> bool {
    matches!(wanted.resource, Resource::Package(_))
}

/// Differences, with the restart or reload that follows from changed files.
fn changes(desired: &HostDesired, seen: &HostObserved) -> BTreeMap<ResourceId, Difference> {
    let observed = |id: &ResourceId| seen.resources.get(id).unwrap_or(&Observed::Absent);
    let differs = |wanted: &DesiredResource| Some((wanted.resource.id(), difference(&wanted.resource, observed(&wanted.resource.id()))?));
    let mut changes: BTreeMap<ResourceId, Difference> = desired.resources.iter().filter_map(differs).collect();
    let unit_file = ResourceId(format!("file {FIREWALL_UNIT_FILE}"));
    for wanted in desired.resources.iter().filter(|wanted| matches!(wanted.resource, Resource::Unit(_))) {
        let id = wanted.resource.id();
        let reasons: Vec<String> =
            wanted.inputs.iter().filter(|input| changes.contains_key(*input)).map(|input| format!("{input} changes")).collect();
        let change = if changes.contains_key(&unit_file) { Change::Restart } else { Change::Reload };
        match changes.get_mut(&id) {
            Some(found) if found.change == Change::Reload => found.change = change,
            // It starts, and reads what is there then.
            Some(_) => {}
            None if reasons.is_empty() => {}
            None => drop(changes.insert(id, Difference { change, reasons })),
        }
    }
    changes
}

/// What barque has applied of a firewall and is not wanted any more.
fn unwanted<'a>(desired: &HostDesired, seen: &HostObserved, ledger: &'a [LedgerEntry]) -> Vec<&'a LedgerEntry> {
    let wanted = |id: &ResourceId| desired.resources.iter().any(|wanted| wanted.resource.id() == *id);
    let is_gone = |id: &ResourceId| match seen.resources.get(id) {
        None | Some(Observed::Absent) => true,
        Some(Observed::Unit(state)) => !state.loaded && !state.is_active(),
        Some(_) => false,
    };
    let ours = ledger.iter().filter(|entry| is_of_firewall(&entry.resource));
    ours.filter(|entry| !wanted(&entry.id()) && (!was_nothing(entry) || !is_gone(&entry.id()))).collect()
}

/// Whether nothing is to be restored where the resource is gone: a unit that never ran before leaves nothing either.
fn was_nothing(entry: &LedgerEntry) -> bool {
    match &entry.original {
        Prior::Unit { state } => !state.is_active(),
        original => original.is_absent(),
    }
}

/// Removes: the unit ends, which takes the rules out of the kernel; then the files go, and the folder when it is empty.
fn remove(graph: &mut Graph, host: &HostName, unwanted: &[&LedgerEntry], switch: &Key) -> Vec<Key> {
    let Ok(before) = ORIGIN.parse::<RunId>() else { return Vec::new() };
    let keys = |wanted: fn(&Resource) -> bool| -> Vec<Key> {
        unwanted.iter().filter(|entry| wanted(&entry.resource)).map(|entry| Key::resource(host, &entry.id())).collect()
    };
    let units = keys(|resource| matches!(resource, Resource::Unit(_)));
    let files = keys(|resource| matches!(resource, Resource::File(_)));
    for entry in unwanted {
        let id = entry.id();
        let mut after = vec![switch.clone()];
        let verb = match &entry.resource {
            Resource::Unit(_) => "stop",
            Resource::Directory(_) => {
                after.extend(files.iter().cloned());
                "remove"
            }
            _ => {
                after.extend(units.iter().cloned());
                if entry.original.is_absent() { "remove" } else { "restore" }
            }
        };
        let name = id.0.split_once(' ').map_or(id.0.as_str(), |(_, name)| name);
        let (title, key) = (format!("{verb} {name}"), Key::resource(host, &id));
        let action = Action::Restore { resource: entry.resource.clone(), prior: entry.original.clone(), before: before.clone() };
        graph.step(key, Stage::Hosts, Some(host.clone()), title, after, action);
    }
    unwanted.iter().map(|entry| Key::resource(host, &entry.id())).collect()
}

fn readers(desired: &HostDesired, id: &ResourceId) -> Vec<String> {
    let units = desired.resources.iter().filter_map(|wanted| match &wanted.resource {
        Resource::Unit(unit) if wanted.inputs.contains(id) => Some(unit.name.clone()),
        _ => None,
    });
    units.collect()
}
