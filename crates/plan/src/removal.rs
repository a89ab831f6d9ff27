//! What barque once put on a host and the cluster file does not want any more.

use std::collections::BTreeSet;

use barque_event::Stage;
use barque_model::{Component, HostName, METRICS_GATEWAY, METRICS_GATEWAY_FOLDER, RunId};
use barque_render::is_of_metrics_gateway;

use crate::build::PlanInputs;
use crate::desired::stage_of;
use crate::firewall::{FIREWALL_PACKAGE, is_of_firewall};
use crate::graph::{Graph, Key};
use crate::inputs::inputs_of;
use crate::{Action, HostDesired, LedgerEntry, Observed, PackageForm, Resource, ResourceId};

/// Before every run: what is restored is what was there before barque came.
const ORIGIN: &str = "00000000T000000Z-0000";

/// The resources of a host to remove, in the order of the ledger. Packages, users, folders, kernel parameters and images stay: others may use
/// them by now, and a rollback takes them back. Portable packages go, whose programs come before the distribution's in everybody's search path;
/// but not that of the packet filter. The folder of a registry goes: an empty one would still keep containerd from `_default`. So do
/// the folder and the user of the metrics gateway, which nobody else has a use for: an add-on that is off leaves nothing.
pub(crate) fn removals<'a>(inputs: &'a PlanInputs<'_>, host: &HostName, held: &BTreeSet<(HostName, ResourceId)>) -> Vec<&'a LedgerEntry> {
    let (Some(entries), Some(desired)) = (inputs.ledger.get(host), inputs.desired.get(host)) else { return Vec::new() };
    let wanted: BTreeSet<ResourceId> = desired.resources.iter().map(|wanted| wanted.resource.id()).collect();
    let unwanted = |entry: &&LedgerEntry| {
        let id = entry.id();
        let seen = inputs.observed.get(host).and_then(|seen| seen.resources.get(&id));
        let is_gone = entry.original.is_absent() && is_gone(seen);
        let is_removable = match &entry.resource {
            Resource::File(_) | Resource::Unit(_) | Resource::Binary(_) | Resource::HostsLine(_) => true,
            Resource::Directory(directory) => is_of_registry(&directory.path) || directory.path == METRICS_GATEWAY_FOLDER,
            Resource::User(user) => user.name == METRICS_GATEWAY,
            Resource::Package(package) => package.form == PackageForm::Portable && package.name != FIREWALL_PACKAGE,
            _ => false,
        };
        // A packet filter is applied and removed by verbs of its own.
        is_removable && !is_of_firewall(&entry.resource) && !is_gone && !wanted.contains(&id) && !held.contains(&(host.clone(), id))
    };
    entries.iter().filter(unwanted).collect()
}

fn is_gone(seen: Option<&Observed>) -> bool {
    match seen {
        None | Some(Observed::Absent) => true,
        Some(Observed::Unit(state)) => !state.loaded && !state.is_active(),
        Some(_) => false,
    }
}

/// Adds the removals of a host: units end before their files go, and programs go when what takes their place is there and runs.
pub(crate) fn add(graph: &mut Graph, host: &HostName, desired: &HostDesired, removals: &[&LedgerEntry]) {
    let Ok(before) = ORIGIN.parse::<RunId>() else { return };
    for entry in removals {
        let id = entry.id();
        let (stage, verb, after) = match &entry.resource {
            Resource::Unit(unit) => (component_of(&unit.name).map_or(Stage::Hosts, stage_of), "stop", Vec::new()),
            Resource::File(file) => {
                let reads = |other: &&&LedgerEntry| match &other.resource {
                    Resource::Unit(unit) if unit.name == barque_render::metrics_gateway_unit() => is_of_metrics_gateway(&file.path),
                    Resource::Unit(unit) => component_of(&unit.name).is_some_and(|component| inputs_of(component, &file.path)),
                    _ => false,
                };
                let mut after: Vec<Key> = removals.iter().filter(reads).map(|unit| Key::resource(host, &unit.id())).collect();
                after.extend(named_by(&file.path).map(|id| Key::resource(host, &id)));
                (Stage::Hosts, "remove", after)
            }
            Resource::Directory(directory) => (Stage::Hosts, "remove", files_in(&directory.path, host, removals)),
            // A file whose owner is gone would belong to whoever gets the number next.
            Resource::User(_) => (Stage::Hosts, "remove", files_in(METRICS_GATEWAY_FOLDER, host, removals)),
            Resource::Package(_) => {
                let wanted = desired.resources.iter().map(|wanted| &wanted.resource);
                let in_its_place = wanted.filter(|wanted| matches!(wanted, Resource::Package(_) | Resource::Unit(_)));
                let in_its_place = in_its_place.map(|wanted| Key::resource(host, &wanted.id()));
                (Stage::Hosts, "remove", units(host, removals).chain(in_its_place).collect())
            }
            _ => (Stage::Hosts, "remove", units(host, removals).collect()),
        };
        let verb = if entry.original.is_absent() || verb == "stop" { verb } else { "restore" };
        let name = id.0.split_once(' ').map_or(id.0.as_str(), |(_, name)| name).to_owned();
        let action = Action::Restore { resource: entry.resource.clone(), prior: entry.original.clone(), before: before.clone() };
        graph.step(Key::resource(host, &id), stage, Some(host.clone()), format!("{verb} {name}"), after, action);
    }
}

/// The `hosts.toml` that names the certificate or key at `path`: pulls fail while it names a file that is not there.
fn named_by(path: &str) -> Option<ResourceId> {
    let (folder, name) = path.rsplit_once('/')?;
    (is_of_registry(folder) && barque_render::is_named_by_hosts_toml(name)).then(|| ResourceId(format!("file {folder}/hosts.toml")))
}

fn is_of_registry(path: &str) -> bool {
    path.strip_prefix(barque_render::CERTS_D).is_some_and(|rest| rest.starts_with('/'))
}

fn files_in(folder: &str, host: &HostName, removals: &[&LedgerEntry]) -> Vec<Key> {
    let is_inside = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let inside = |entry: &&&LedgerEntry| matches!(&entry.resource, Resource::File(file) if is_inside(&file.path));
    removals.iter().filter(inside).map(|entry| Key::resource(host, &entry.id())).collect()
}

/// The units that go.
fn units(host: &HostName, removals: &[&LedgerEntry]) -> impl Iterator<Item = Key> {
    removals.iter().filter(|entry| matches!(entry.resource, Resource::Unit(_))).map(|unit| Key::resource(host, &unit.id()))
}

/// The removals that a package must have seen before it is installed: one of the distribution's may bring files of the same names.
pub(crate) fn before_packages(host: &HostName, removals: &[&LedgerEntry]) -> Vec<Key> {
    let files = removals.iter().filter(|entry| matches!(&entry.resource, Resource::File(_)));
    files.map(|entry| Key::resource(host, &entry.id())).collect()
}

/// The removals that a unit must have seen before it starts or restarts.
pub(crate) fn read_by(component: Component, host: &HostName, removals: &[&LedgerEntry]) -> Vec<Key> {
    let reads = |entry: &&&LedgerEntry| matches!(&entry.resource, Resource::File(file) if inputs_of(component, &file.path));
    removals.iter().filter(reads).map(|entry| Key::resource(host, &entry.id())).collect()
}

/// The component whose unit has this name.
pub(crate) fn component_of(unit: &str) -> Option<Component> {
    Component::ALL.into_iter().find(|component| component.unit() == unit)
}
