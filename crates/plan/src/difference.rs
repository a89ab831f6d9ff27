//! The difference between what must be and what an agent saw. Pure: the planner and the agent use the same function.

use barque_model::Owner;
use serde::{Deserialize, Serialize};

use crate::{Archive, Observed, OnChange, PackageForm, Resource, UnitState};

/// What has to happen to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What will be done.
    pub change: Change,
    /// What differs, a short phrase each, such as `mode 0644 -> 0600`. Never shows content.
    pub reasons: Vec<String>,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// A unit is enabled and started.
    Start,
    /// A running unit is restarted.
    Restart,
    /// A running unit is reloaded.
    Reload,
    /// A unit that runs as it should is enabled at boot.
    Enable,
}

impl Change {
    /// A verb for a step's title.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
        }
    }
}

/// Compares a resource with what was observed; `None` means that nothing has to be done.
pub fn difference(resource: &Resource, observed: &Observed) -> Option<Difference> {
    let create = |reason: &str| Some(Difference { change: Change::Create, reasons: vec![reason.to_owned()] });
    if let Observed::Other { what } = observed {
        return Some(Difference { change: Change::Update, reasons: vec![format!("{what} is in its place")] });
    }
    let reasons = match (resource, observed) {
        (Resource::Unit(unit), Observed::Unit(state)) => return unit_difference(unit, state),
        (Resource::Unit(_), _) => return Some(Difference { change: Change::Start, reasons: vec!["not known to systemd".to_owned()] }),
        // What cannot be set and need not be is no difference: each plan would show it for ever.
        (Resource::Sysctl(wanted), Observed::Absent | Observed::Sysctl { writable: false, .. }) if !wanted.required => Vec::new(),
        (_, Observed::Absent) => return create("absent"),
        (Resource::Directory(wanted), Observed::Directory { mode, owner }) => attributes(wanted.mode, &wanted.owner, *mode, owner),
        (Resource::File(wanted), Observed::File { digest, mode, owner }) => {
            let mut reasons = attributes(wanted.mode, &wanted.owner, *mode, owner);
            if wanted.digest != *digest {
                reasons.insert(0, "content".to_owned());
            }
            reasons
        }
        (Resource::Binary(wanted), Observed::Binary { target, intact }) => match target {
            Some(target) if *target == wanted.blob.digest && *intact => Vec::new(),
            Some(target) if *target == wanted.blob.digest => vec!["content was changed".to_owned()],
            Some(target) => vec![format!("{} -> {}", target.short(), wanted.blob.digest.short())],
            None => vec!["is not a link into the store".to_owned()],
        },
        (Resource::Sysctl(wanted), Observed::Sysctl { value, .. }) => {
            if same_sysctl(&wanted.value, value) {
                Vec::new()
            } else {
                vec![format!("{value} -> {}", wanted.value)]
            }
        }
        (Resource::Package(wanted), Observed::Package { installed }) => {
            let difference = |archive: &Archive| match installed.iter().find(|(name, _)| *name == archive.name) {
                None => Some(format!("{} is not installed", archive.name)),
                // Whatever version of a distribution's package is there, it stays: it is not barque's to change.
                Some((_, version)) if wanted.form == PackageForm::Portable && *version != archive.version => {
                    Some(format!("{} {version} -> {}", archive.name, archive.version))
                }
                Some(_) => None,
            };
            wanted.archives.iter().filter_map(difference).collect()
        }
        (Resource::Image(wanted), Observed::Image { digest }) => match digest {
            Some(digest) if *digest == wanted.blob.digest => Vec::new(),
            Some(digest) => vec![format!("{} -> {}", digest.short(), wanted.blob.digest.short())],
            None => vec!["was not imported by barque".to_owned()],
        },
        (Resource::User(_), Observed::User) | (Resource::HostsLine(_), Observed::HostsLine) => Vec::new(),
        (_, other) => vec![format!("is of another kind ({})", kind_of(other))],
    };
    if reasons.is_empty() { None } else { Some(Difference { change: Change::Update, reasons }) }
}

fn unit_difference(unit: &crate::Unit, state: &UnitState) -> Option<Difference> {
    let mut reasons = Vec::new();
    if !state.is_active() {
        reasons.push(format!("is {}", state.active));
        return Some(Difference { change: Change::Start, reasons });
    }
    if state.fingerprint != Some(unit.fingerprint) {
        reasons.push(if state.fingerprint.is_some() { "its inputs changed" } else { "was not started by barque" }.to_owned());
        let change = match unit.on_change {
            OnChange::Reload if state.fingerprint.is_some() => Change::Reload,
            OnChange::Reload | OnChange::Restart => Change::Restart,
        };
        return Some(Difference { change, reasons });
    }
    if !state.enabled {
        reasons.push("not enabled at boot".to_owned());
        return Some(Difference { change: Change::Enable, reasons });
    }
    None
}

fn attributes(wanted_mode: u32, wanted_owner: &Owner, mode: u32, owner: &Owner) -> Vec<String> {
    let mut reasons = Vec::new();
    if wanted_mode != mode {
        reasons.push(format!("mode {mode:04o} -> {wanted_mode:04o}"));
    }
    if wanted_owner != owner {
        reasons.push(format!("owner {}:{} -> {}:{}", owner.user, owner.group, wanted_owner.user, wanted_owner.group));
    }
    reasons
}

/// The kernel separates a parameter's numbers by tabs, people by spaces.
fn same_sysctl(wanted: &str, value: &str) -> bool {
    wanted.split_whitespace().eq(value.split_whitespace())
}

const fn kind_of(observed: &Observed) -> &'static str {
    match observed {
        Observed::Absent => "absent",
        Observed::Other { .. } => "other",
        Observed::Directory { .. } => "directory",
        Observed::File { .. } => "file",
        Observed::Binary { .. } => "binary",
        Observed::Unit(_) => "unit",
        Observed::User => "user",
        Observed::Sysctl { .. } => "sysctl",
        Observed::Package { .. } => "package",
        Observed::Image { .. } => "image",
        Observed::HostsLine => "hosts line",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::Digest;

    use super::*;
    use crate::{File, Unit};

    fn file(mode: u32) -> Resource {
        Resource::File(File { path: "/etc/x".into(), digest: Digest::of(b"x"), mode, owner: Owner::root(), sensitive: false })
    }

    #[test]
    fn equal_file_has_no_difference() {
        let observed = Observed::File { digest: Digest::of(b"x"), mode: 0o600, owner: Owner::root() };
        assert_eq!(difference(&file(0o600), &observed), None);
    }

    #[test]
    fn each_attribute_is_a_reason() {
        let observed = Observed::File { digest: Digest::of(b"y"), mode: 0o644, owner: Owner::of("etcd") };
        let found = difference(&file(0o600), &observed).unwrap();
        assert_eq!(found.change, Change::Update);
        assert_eq!(found.reasons, ["content", "mode 0644 -> 0600", "owner etcd:etcd -> root:root"]);
    }

    #[test]
    fn unit_states_lead_to_the_least_change() {
        let fingerprint = Digest::of(b"inputs");
        let unit = |on_change| {
            Resource::Unit(Unit { name: "x.service".into(), fingerprint, on_change, start_timeout_seconds: 60, restart_limit: 4 })
        };
        let state = |active: &str, enabled, fingerprint| {
            Observed::Unit(UnitState {
                loaded: true,
                enabled,
                active: active.into(),
                sub: String::new(),
                fingerprint,
                restarts: 0,
                active_since: 1,
            })
        };
        let change = |resource: &Resource, observed: &Observed| difference(resource, observed).map(|found| found.change);
        let restarted = unit(OnChange::Restart);
        assert_eq!(change(&restarted, &state("active", true, Some(fingerprint))), None);
        assert_eq!(change(&restarted, &state("active", false, Some(fingerprint))), Some(Change::Enable));
        assert_eq!(change(&restarted, &state("failed", true, Some(fingerprint))), Some(Change::Start));
        assert_eq!(change(&restarted, &state("active", true, Some(Digest::of(b"old")))), Some(Change::Restart));
        assert_eq!(change(&unit(OnChange::Reload), &state("active", true, Some(Digest::of(b"old")))), Some(Change::Reload));
        assert_eq!(change(&unit(OnChange::Reload), &state("active", true, None)), Some(Change::Restart));
    }

    #[test]
    fn sysctl_values_compare_by_words() {
        let wanted =
            Resource::Sysctl(crate::Sysctl { key: "net.ipv4.ip_local_port_range".into(), value: "1024 65535".into(), required: false });
        assert_eq!(difference(&wanted, &Observed::Sysctl { value: "1024\t65535\n".into(), writable: true }), None);
    }

    #[test]
    fn an_optional_sysctl_that_cannot_be_set_is_left_alone() {
        let wanted =
            |required| Resource::Sysctl(crate::Sysctl { key: "net.netfilter.nf_conntrack_max".into(), value: "2".into(), required });
        let fixed = Observed::Sysctl { value: "1".into(), writable: false };
        assert_eq!(difference(&wanted(false), &fixed), None);
        assert_eq!(difference(&wanted(false), &Observed::Absent), None);
        assert!(difference(&wanted(true), &fixed).is_some());
        assert!(difference(&wanted(false), &Observed::Sysctl { value: "1".into(), writable: true }).is_some());
    }
}
