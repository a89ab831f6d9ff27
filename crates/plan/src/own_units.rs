//! Units that are barque's own and of no component: the metrics gateway and the watchdog.

use barque_event::Stage;
use barque_model::{Host, METRICS_GATEWAY, METRICS_GATEWAY_FOLDER};

use crate::desired::{Builder, OWN_PROGRAM, OWN_VERSION, fingerprint};
use crate::{Binary, DesiredInputs, DesiredResource, MissingArtifact, OnChange, Resource, ResourceId, Unit, User};

/// The metrics gateway: barque itself, as a user of its own.
pub(crate) fn gateway(builder: &mut Builder, inputs: &DesiredInputs<'_>, host: &Host) -> Result<(), MissingArtifact> {
    if inputs.cluster.metrics_gateway(host).is_none() {
        return Ok(());
    }
    let (name, version) = (OWN_PROGRAM, OWN_VERSION);
    let blob = inputs.artifacts.binaries.get(&(name.to_owned(), version.to_owned())).copied();
    let blob = blob.ok_or_else(|| MissingArtifact { kind: "program", name: name.to_owned(), version: version.to_owned() })?;
    let user = User { name: METRICS_GATEWAY.into(), home: METRICS_GATEWAY_FOLDER.into() };
    let program = Binary { path: format!("/usr/local/bin/{METRICS_GATEWAY}"), version: version.to_owned(), blob };
    builder.add(DesiredResource::new(Resource::User(user), Stage::Addons));
    builder.add(DesiredResource::new(Resource::Binary(program), Stage::Addons));
    let is_input = |desired: &&DesiredResource| match &desired.resource {
        Resource::File(file) => barque_render::is_of_metrics_gateway(&file.path),
        Resource::Binary(binary) => binary.path.rsplit('/').next() == Some(METRICS_GATEWAY),
        _ => false,
    };
    let read: Vec<ResourceId> = builder.resources.iter().filter(is_input).map(|desired| desired.resource.id()).collect();
    let resource = Resource::Unit(Unit {
        name: barque_render::metrics_gateway_unit(),
        fingerprint: fingerprint(builder.resources.iter().filter(is_input)),
        on_change: OnChange::Restart,
        start_timeout_seconds: 60,
        restart_limit: 4,
    });
    let mut desired = DesiredResource::new(resource, Stage::Addons);
    desired.after.clone_from(&read);
    desired.after.push(ResourceId(format!("user {METRICS_GATEWAY}")));
    desired.inputs = read;
    builder.add(desired);
    Ok(())
}

/// The watchdog's timer. It starts when every unit that it watches runs, so that it does not disturb their first start.
pub(crate) fn watchdog(builder: &mut Builder) {
    let is_input = |desired: &&DesiredResource| matches!(&desired.resource, Resource::File(file) if barque_render::WATCHDOG_FILES.contains(&file.path.as_str()));
    let inputs: Vec<ResourceId> = builder.resources.iter().filter(is_input).map(|desired| desired.resource.id()).collect();
    let resource = Resource::Unit(Unit {
        name: barque_render::WATCHDOG_TIMER.to_owned(),
        fingerprint: fingerprint(builder.resources.iter().filter(is_input)),
        on_change: OnChange::Restart,
        start_timeout_seconds: 30,
        restart_limit: 4,
    });
    let mut desired = DesiredResource::new(resource, Stage::Hosts);
    let units = builder.resources.iter().filter(|other| matches!(other.resource, Resource::Unit(_)));
    desired.after = units.map(|unit| unit.resource.id()).chain(inputs.iter().cloned()).collect();
    desired.inputs = inputs;
    builder.add(desired);
}
