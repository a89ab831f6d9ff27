//! Findings of checks that are accepted.

use barque_model::{AcceptedCheck, CheckId, HostName};

use crate::field::Field;
use crate::file_checks::{Accept, Checks};
use crate::hosts::Draft;
use crate::report::{Located, Report};
use crate::structure::nearest;

/// Understands `spec.checks`.
pub(crate) fn resolve(section: Located<Checks>, hosts: &[Draft], report: &mut Report) -> Vec<AcceptedCheck> {
    let Some(list) = section.value.accept.located(section.place) else { return Vec::new() };
    let entries = list.value.into_iter().filter_map(|entry| entry.located(list.place));
    entries.filter_map(|entry| accepted(entry, hosts, report)).collect()
}

fn accepted(entry: Located<Accept>, hosts: &[Draft], report: &mut Report) -> Option<AcceptedCheck> {
    let Located { value: Accept { id, reason, hosts: names }, place } = entry;
    let reason = reason.located(place);
    if let Some(reason) = reason.as_ref().filter(|reason| reason.value.trim().is_empty()) {
        report.error(reason.place, "the reason is empty", "say why the finding is accepted, for whoever reads the report later");
    }
    let check = id.located(place).and_then(|id| known(&id, report));
    let hosts = names.located(place).map(|names| named(names, hosts, report)).unwrap_or_default();
    Some(AcceptedCheck { check: check?, reason: reason?.value, hosts })
}

fn known(id: &Located<String>, report: &mut Report) -> Option<CheckId> {
    let found = id.value.parse::<CheckId>();
    if let Err(error) = &found {
        let all = || CheckId::ALL.iter().map(|check| check.as_str());
        let holding: Vec<&str> = all().filter(|check| check.contains(id.value.as_str())).collect();
        let hint = match (nearest(&id.value, all()), holding.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, false) => format!("did you mean one of: {}", holding.join(", ")),
            (None, true) => format!("checks: {}", all().collect::<Vec<_>>().join(", ")),
        };
        report.error(id.place, error.to_string(), hint);
    }
    found.ok()
}

fn named(names: Located<Vec<Field<String>>>, hosts: &[Draft], report: &mut Report) -> Vec<HostName> {
    if names.value.is_empty() {
        report.error(names.place, "the list of hosts is empty", "name a host, or leave `hosts` out for all");
    }
    let mut found = Vec::new();
    for name in names.value {
        let Some(name) = name.located(names.place) else { continue };
        if !hosts.iter().any(|host| host.label() == name.value) {
            let labels: Vec<&str> = hosts.iter().map(Draft::label).collect();
            let hint = match nearest(&name.value, labels.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("hosts: {}", labels.join(", ")),
            };
            report.error(name.place, format!("there is no host `{}`", name.value), hint);
        }
        found.extend(name.value.parse::<HostName>().ok());
    }
    found
}
