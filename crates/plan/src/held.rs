//! What somebody changed on a host since barque wrote it, and what therefore stays as it is.

use std::fmt;

use barque_model::{HostName, ObjectDifference, RunId};

use crate::build::PlanInputs;
use crate::firewall::is_of_firewall;
use crate::{LedgerEntry, Observed, Resource, ResourceId, difference};

/// A resource that is left alone because somebody changed it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The host.
    pub host: HostName,
    /// The resource.
    pub resource: ResourceId,
    /// The run that last wrote it.
    pub run: RunId,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} was changed on {} since run {} wrote it, and is left as it is (`barque drift` shows the change, `--overwrite-drift` overwrites it)",
            self.resource, self.host, self.run
        )
    }
}

/// Finds what would be lost if the plan made everything as wanted: edited files and replaced programs. Nothing is held that is as wanted,
/// that is missing, or whose last change by barque was cut short.
pub fn held(inputs: &PlanInputs<'_>) -> Vec<Held> {
    if inputs.overwrite_drift {
        return Vec::new();
    }
    let mut found = Vec::new();
    for host in &inputs.cluster.hosts {
        let Some(entries) = inputs.ledger.get(&host.name) else { continue };
        // What `up` does not write, it cannot overwrite.
        for entry in entries.iter().filter(|entry| !is_of_firewall(&entry.resource)) {
            let id = entry.id();
            if is_foreign(inputs, &host.name, entry, &id) {
                found.push(Held { host: host.name.clone(), resource: id, run: entry.run.clone() });
            }
        }
    }
    found
}

/// Cluster objects that somebody changed since barque applied them, `Kind namespace/name`; they are left as they are.
pub fn held_objects<'a>(inputs: &PlanInputs<'a>) -> Vec<&'a str> {
    let edited = inputs.facts.objects.iter().filter(|(_, state)| **state == ObjectDifference::Edited && !inputs.overwrite_drift);
    edited.map(|(name, _)| name.as_str()).collect()
}

fn is_foreign(inputs: &PlanInputs<'_>, host: &HostName, entry: &LedgerEntry, id: &ResourceId) -> bool {
    let Some(seen) = inputs.observed.get(host).and_then(|seen| seen.resources.get(id)) else { return false };
    if entry.uncertain || !carries_edits(&entry.resource, seen) {
        return false;
    }
    let wanted = inputs.desired.get(host).and_then(|desired| desired.resources.iter().find(|wanted| wanted.resource.id() == *id));
    wanted.is_none_or(|wanted| difference(&wanted.resource, seen).is_some())
}

/// Whether what is there is somebody's work and not what barque put there.
fn carries_edits(applied: &Resource, seen: &Observed) -> bool {
    match (applied, seen) {
        // Mode and owner carry no work: they are put back.
        (Resource::File(file), Observed::File { digest, .. }) => file.digest != *digest,
        (Resource::File(_) | Resource::Binary(_), Observed::Other { .. }) => true,
        (Resource::Binary(binary), Observed::Binary { target, .. }) => *target != Some(binary.blob.digest),
        _ => false,
    }
}
