//! Runtime, kubelet, logs and the API server's extra names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use barque_model::{KubeletSettings, LogRotation, Runtime, SubjectName};

use crate::field::{Field, Text};
use crate::file_settings::{KubeletEntry, Logs, RuntimeEntry};
use crate::report::{Located, Place, Report};
use crate::structure::nearest;
use crate::{image_reference, labels, quantity};

/// Resources that can be reserved, with what barque reserves.
const RESERVED: [(&str, Option<&str>); 4] = [("cpu", Some("100m")), ("memory", Some("256Mi")), ("ephemeral-storage", None), ("pid", None)];
/// Eviction signals (kubelet, "Node-pressure Eviction"), with kubelet's defaults.
const SIGNALS: [(&str, Option<&str>); 8] = [
    ("memory.available", Some("100Mi")),
    ("nodefs.available", Some("10%")),
    ("nodefs.inodesFree", Some("5%")),
    ("imagefs.available", Some("15%")),
    ("imagefs.inodesFree", Some("5%")),
    ("containerfs.available", None),
    ("containerfs.inodesFree", None),
    ("pid.available", None),
];

/// Understands `spec.runtime`.
pub(crate) fn runtime(section: Located<RuntimeEntry>, report: &mut Report) -> Option<Runtime> {
    let Located { value: entry, place } = section;
    let data_directory = entry.data_directory.located(place).and_then(|path| directory(path, report));
    let pause_image = entry.pause_image.located(place).and_then(|image| image_reference::checked(image, report)).map(|image| image.value);
    Some(Runtime { data_directory: data_directory?, restrict_oom_score_adj: entry.restrict_oom_score_adj.value?, pause_image })
}

fn directory(path: Located<String>, report: &mut Report) -> Option<String> {
    let part = |part: &str| {
        let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | '@' | '+');
        !part.is_empty() && part != "." && part != ".." && part.chars().all(allowed)
    };
    if path.value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part)) {
        return Some(path.value);
    }
    let message = format!("`{}` is not an absolute path of a directory", path.value);
    report.error(
        path.place,
        message,
        "write a path such as /var/lib/containerd: letters, digits, `.`, `-`, `_`, no `..`, no `/` at the end",
    );
    None
}

/// Understands `spec.kubelet`.
pub(crate) fn kubelet(section: Located<KubeletEntry>, report: &mut Report) -> Option<KubeletSettings> {
    let Located { value: entry, place } = section;
    let system_reserved = amounts(entry.system_reserved, place, &RESERVED, "resource", quantity::is_quantity, report);
    let threshold = |text: &str| quantity::is_quantity(text) || quantity::is_percentage(text);
    let eviction_hard = amounts(entry.eviction_hard, place, &SIGNALS, "eviction signal", threshold, report);
    Some(KubeletSettings {
        max_pods: entry.max_pods.value?,
        pod_pids_limit: entry.pod_pids_limit.value?,
        system_reserved,
        eviction_hard,
        fail_cgroup_v1: entry.fail_cgroup_v1.value?,
        fail_swap_on: entry.fail_swap_on.value?,
        verbosity: entry.verbosity.value?,
    })
}

/// A map of amounts on top of its defaults.
fn amounts(
    field: Field<BTreeMap<String, Field<Text>>>,
    parent: Place,
    known: &[(&str, Option<&str>)],
    what: &str,
    valid: impl Fn(&str) -> bool,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let mut result: BTreeMap<String, String> =
        known.iter().filter_map(|(name, default)| default.map(|default| ((*name).to_owned(), default.to_owned()))).collect();
    let Some(map) = field.located(parent) else { return result };
    for (name, value) in map.value {
        let key = value.key.unwrap_or(map.place);
        let Some(value) = value.located(map.place) else { continue };
        if !known.iter().any(|(other, _)| *other == name) {
            let names = known.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let near =
                nearest(&name, known.iter().map(|(name, _)| *name)).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            report.error(key, format!("there is no {what} `{name}`"), format!("{near}possible: {names}"));
        }
        if !valid(&value.value.0) {
            let percent = if valid("5%") { " or a percentage such as `10%`" } else { "" };
            let message = format!("`{}` is not an amount of `{name}`", value.value.0);
            report.error(value.place, message, format!("write a quantity such as `256Mi`, `1` or `100m`{percent}"));
        }
        result.insert(name, value.value.0);
    }
    result
}

/// Understands `spec.logs`.
pub(crate) fn logs(section: Located<Logs>, report: &mut Report) -> Option<LogRotation> {
    let Located { value: entry, place } = section;
    let container = entry.container_max_size.located(place)?;
    if !quantity::is_byte_quantity(&container.value.0) {
        let message = format!("`{}` is not a size of log files", container.value.0);
        report.error(container.place, message, "write a whole number with Ki, Mi or Gi, such as `10Mi`");
    }
    let journal = entry.journal_max_use.located(place)?;
    if !quantity::is_systemd_size(&journal.value.0) {
        let message = format!("`{}` is not a size that systemd reads", journal.value.0);
        report.error(journal.place, message, "write a whole number with K, M, G or T, such as `500M`");
    }
    Some(LogRotation {
        container_max_size: container.value.0,
        container_max_files: entry.container_max_files.value?,
        journal_max_use: journal.value.0,
        audit_max_age_days: entry.audit_max_age_days.value?,
        audit_max_backups: entry.audit_max_backups.value?,
        audit_max_size_mb: entry.audit_max_size_mb.value?,
    })
}

/// Understands `spec.extraSans`.
pub(crate) fn names(field: Field<Vec<Field<String>>>, parent: Place, report: &mut Report) -> Vec<SubjectName> {
    let mut names = Vec::new();
    let Some(list) = field.located(parent) else { return names };
    for text in list.value {
        let Some(text) = text.located(list.place) else { continue };
        let name = match text.value.parse::<IpAddr>() {
            Ok(address) => SubjectName::Address(address),
            Err(_) => SubjectName::Dns(text.value.clone()),
        };
        // A name such as 10.0.0.300 is a DNS name by its letters only.
        let numeric = text.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let dns = text.value.strip_prefix("*.").unwrap_or(&text.value);
        if matches!(name, SubjectName::Dns(_)) && (numeric || !labels::is_dns_name(dns)) {
            let message = format!("`{}` is neither a DNS name nor an IP address", text.value);
            report.error(
                text.place,
                message,
                "write a name in small letters such as api.example.com (`*.` in front is allowed), or an address",
            );
        } else if names.contains(&name) {
            report.error(text.place, format!("`{}` is given twice", text.value), "remove one of the two");
        }
        names.push(name);
    }
    names
}
