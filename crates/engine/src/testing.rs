//! Plans, hosts and clusters for tests.
#![allow(clippy::unwrap_used)]

use barque_event::Stage;
use barque_model::{Cluster, Digest, Owner, Version};
use barque_plan::{Action, Binary, Blob, Change, Difference, File, OnChange, PLAN_FORMAT, Plan, Probe, Resource, Step, StepId, Unit};

/// The article's layout of seven hosts.
pub(crate) fn cluster() -> Cluster {
    let text = include_str!("../../../examples/ha.yaml");
    let versions = [Version::new(1, 37, 2)];
    barque_spec::parse(text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster
}

/// A step's host, title, what it does and what it waits for.
pub(crate) type Draft = (Option<&'static str>, String, Action, Vec<u32>);

/// A plan of these steps.
pub(crate) fn plan(drafts: Vec<Draft>) -> Plan {
    let steps = drafts.into_iter().zip(0..).map(|((host, title, action, after), id)| Step {
        id: StepId(id),
        stage: Stage::Hosts,
        host: host.map(|host| host.parse().unwrap()),
        title,
        action,
        after: after.into_iter().map(StepId).collect(),
    });
    Plan { format: PLAN_FORMAT, steps: steps.collect() }
}

/// Applies a resource.
pub(crate) fn apply(host: &'static str, resource: Resource, change: Change, reasons: &[&str], after: &[u32]) -> Draft {
    let title = format!("{} {}", change.verb(), resource.id());
    let difference = Difference { change, reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect() };
    (Some(host), title, Action::Apply { resource, difference, stales: Vec::new() }, after.to_vec())
}

/// Restarts a unit.
pub(crate) fn restart(host: &'static str, name: &str, after: &[u32]) -> Draft {
    apply(host, unit(name), Change::Restart, &["its inputs changed"], after)
}

/// Waits for something.
pub(crate) fn gate(host: &'static str, after: &[u32]) -> Draft {
    let probe = Probe::PathExists { path: "/run/x".into() };
    (Some(host), "x is there".into(), Action::Gate { probe, timeout_seconds: 1 }, after.to_vec())
}

/// A unit.
pub(crate) fn unit(name: &str) -> Resource {
    let fingerprint = Digest::of(b"inputs");
    Resource::Unit(Unit { name: name.into(), fingerprint, on_change: OnChange::Restart, start_timeout_seconds: 1, restart_limit: 1 })
}

/// A file of root, mode 0600, with this content.
pub(crate) fn file(path: &str, content: &str, sensitive: bool) -> Resource {
    Resource::File(File { path: path.into(), digest: Digest::of(content.as_bytes()), mode: 0o600, owner: Owner::root(), sensitive })
}

/// A program, whose content is its path and version.
pub(crate) fn binary(path: &str, version: &str) -> Resource {
    Resource::Binary(Binary { path: path.into(), version: version.into(), blob: blob(&format!("{path} {version}")) })
}

/// Content.
pub(crate) fn blob(text: &str) -> Blob {
    Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
}
