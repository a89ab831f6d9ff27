//! What hosts must not have in common, and what they must.

use std::collections::BTreeMap;

use barque_model::HostName;

use crate::evaluate::Inputs;
use crate::{CheckId, Finding, Inspection};

/// etcd complains from one second on (its `maxClockDifference`).
const CLOCK_MILLIS: i64 = 1000;
/// What mainboards say that do not know better.
const NO_UUIDS: [&str; 3] =
    ["03000200-0400-0500-0006-000700080009", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];

/// What is found when hosts share something: the check, the words before and after the other host's name, and the remedy.
struct Shared {
    id: CheckId,
    what: fn(&str, &HostName) -> String,
    remedy: &'static str,
}

pub(crate) fn find(inputs: &Inputs<'_>, findings: &mut Vec<Finding>) {
    let shared = Shared {
        id: CheckId::DuplicateMachineId,
        what: |_, other| format!("it has the same machine-id as {other}: two names for one machine, or a cloned disk"),
        remedy: "correct its address, or run `rm /etc/machine-id; systemd-machine-id-setup` on the clone and reboot it",
    };
    duplicates(inputs, &shared, |_, inspection| Some(inspection.facts.machine_id.clone()), findings);
    let shared = Shared {
        id: CheckId::DuplicateHostname,
        what: |name, other| format!("it has the same host name as {other}: {name}"),
        remedy: "give one of them another name: `hostnamectl hostname NAME`, and correct /etc/hosts",
    };
    duplicates(inputs, &shared, |_, inspection| Some(inspection.facts.hostname.clone()), findings);
    let shared = Shared {
        id: CheckId::DuplicateMac,
        what: |mac, other| format!("its interface has the same MAC address as that of {other}: {mac}"),
        remedy: "give the cloned machine a new MAC address in its hypervisor",
    };
    duplicates(inputs, &shared, mac, findings);
    let shared = Shared {
        id: CheckId::DuplicateProductUuid,
        what: |uuid, other| format!("it has the same product UUID as {other}: {uuid}"),
        remedy: "give the cloned machine a new UUID in its hypervisor",
    };
    duplicates(inputs, &shared, product_uuid, findings);
    clocks(inputs, findings);
}

/// The MAC address of the interface that has the host's address. Others, such as bridges, may repeat.
fn mac(host: &barque_model::Host, inspection: &Inspection) -> Option<String> {
    let carrier = inspection.facts.addresses.iter().find(|found| found.address == host.address)?;
    inspection.links.iter().find(|link| link.name == carrier.interface).map(|link| link.mac.clone())
}

fn product_uuid(_host: &barque_model::Host, inspection: &Inspection) -> Option<String> {
    let uuid = inspection.system.product_uuid.as_ref().map(|uuid| uuid.to_ascii_lowercase())?;
    (!inspection.system.container && !NO_UUIDS.contains(&uuid.as_str())).then_some(uuid)
}

fn duplicates(
    inputs: &Inputs<'_>,
    shared: &Shared,
    value: impl Fn(&barque_model::Host, &Inspection) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    let mut seen: BTreeMap<String, &HostName> = BTreeMap::new();
    for host in &inputs.cluster.hosts {
        let Some(inspection) = inputs.inspections.get(&host.name) else { continue };
        let Some(value) = value(host, inspection).filter(|value| !value.is_empty()) else { continue };
        match seen.get(&value) {
            Some(other) => findings.push(Finding::new(shared.id, &host.name, (shared.what)(&value, other), shared.remedy)),
            None => drop(seen.insert(value, &host.name)),
        }
    }
}

/// Hosts whose clocks differ from the middle one. The operator's own clock, against which they were read, does not count.
fn clocks(inputs: &Inputs<'_>, findings: &mut Vec<Finding>) {
    let mut offsets: Vec<i64> = inputs.clocks.values().copied().collect();
    offsets.sort_unstable();
    let Some(middle) = offsets.get(offsets.len().saturating_sub(1) / 2).copied() else { return };
    for (host, offset) in inputs.clocks {
        let difference = offset - middle;
        if difference.abs() > CLOCK_MILLIS {
            let direction = if difference > 0 { "ahead of" } else { "behind" };
            let seconds = difference.unsigned_abs() as f64 / 1000.0;
            findings.push(Finding::new(
                CheckId::ClockOffset,
                host,
                format!("its clock is {seconds:.1} s {direction} that of the other hosts"),
                "let a time service set it: `timedatectl set-ntp true`, or `chronyc makestep`",
            ));
        }
    }
}
