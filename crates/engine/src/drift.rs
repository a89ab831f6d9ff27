//! What differs on hosts from what barque applied: the report, and the comparison itself. Pure.

use std::collections::BTreeMap;

use barque_model::{ClusterName, Digest, Host, HostName, NodeState, ObjectDifference, Owner, RunId, SecretBytes};
use barque_plan::{File, LedgerEntry, Observed, Resource, ResourceId, UnitState, difference};
use serde::Serialize;

use crate::diff::{ContentChange, Sides, content_change};
use crate::present::Texts;
use crate::preview_build::taint_text;
use crate::up::Pending;

/// What differs from what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftReport {
    /// The cluster.
    pub cluster: ClusterName,
    /// Hosts that answered, in file order.
    pub hosts: Vec<HostDrift>,
    /// Cluster objects that are not as applied.
    pub objects: Vec<ObjectDrift>,
    /// Nodes without labels or taints that barque set.
    pub nodes: Vec<NodeDrift>,
    /// Hosts that do not answer.
    pub pending: Vec<Pending>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

impl DriftReport {
    /// Whether something differs.
    pub fn is_drifted(&self) -> bool {
        self.count() > 0
    }

    /// Things that differ.
    pub fn count(&self) -> usize {
        self.hosts.iter().map(|host| host.drifts.len()).sum::<usize>() + self.objects.len() + self.nodes.len()
    }

    /// Resources that barque manages on the hosts that answered.
    pub fn managed(&self) -> usize {
        self.hosts.iter().map(|host| host.managed).sum()
    }
}

/// What differs on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostDrift {
    /// The host.
    pub host: HostName,
    /// Resources that barque manages there.
    pub managed: usize,
    /// Resources whose last change was cut short: what is there may be the old or the new state, and either is no drift.
    pub uncertain: usize,
    /// What differs.
    pub drifts: Vec<Drift>,
}

/// A resource that is not as applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The resource.
    pub resource: ResourceId,
    /// The run that applied it.
    pub run: RunId,
    /// What differs, a short phrase each; empty when only the content does.
    pub reasons: Vec<String>,
    /// From the content applied to the present one.
    pub content: Option<ContentChange>,
}

/// A cluster object that is not as applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDrift {
    /// `Kind namespace/name`.
    pub name: String,
    /// How it differs.
    pub state: ObjectDifference,
    /// From what barque applied to its live state.
    pub content: Option<ContentChange>,
}

/// A node that lacks what barque set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDrift {
    /// The node.
    pub node: HostName,
    /// What is missing, a short phrase each.
    pub reasons: Vec<String>,
}

/// Content as it was applied, by host and path, as far as it is known.
pub(crate) type AppliedContents = BTreeMap<(HostName, String), SecretBytes>;

/// The files whose content differs and may be shown: by which run, where, and the digest of what was applied.
pub(crate) fn edited_files(entries: &[LedgerEntry], observed: &[Observed]) -> Vec<(RunId, String, Digest)> {
    let edited = certain(entries, observed).filter_map(|(entry, seen)| match (&entry.resource, seen) {
        (Resource::File(file), Observed::File { digest, .. }) if *digest != file.digest && !file.sensitive => {
            Some((entry.run.clone(), file.path.clone(), file.digest))
        }
        _ => None,
    });
    edited.collect()
}

fn certain<'a>(entries: &'a [LedgerEntry], observed: &'a [Observed]) -> impl Iterator<Item = (&'a LedgerEntry, &'a Observed)> {
    entries.iter().zip(observed).filter(|(entry, _)| !entry.uncertain)
}

/// Compares a host with its ledger. `observed` answers the entries in their order.
pub(crate) fn host_drift(
    host: &HostName,
    entries: &[LedgerEntry],
    observed: &[Observed],
    applied: &AppliedContents,
    texts: &Texts,
) -> HostDrift {
    let drifts = certain(entries, observed).filter_map(|(entry, seen)| {
        let reasons = reasons(&entry.resource, seen);
        let content = match (&entry.resource, seen) {
            (Resource::File(file), Observed::File { digest, .. }) if *digest != file.digest => {
                Some(content(host, entry, file, applied, texts))
            }
            _ => None,
        };
        let differs = !reasons.is_empty() || content.is_some();
        differs.then(|| Drift { resource: entry.id(), run: entry.run.clone(), reasons, content })
    });
    HostDrift {
        host: host.clone(),
        managed: entries.len(),
        uncertain: entries.iter().filter(|entry| entry.uncertain).count(),
        drifts: drifts.collect(),
    }
}

fn content(host: &HostName, entry: &LedgerEntry, file: &File, applied: &AppliedContents, texts: &Texts) -> ContentChange {
    if file.sensitive {
        return ContentChange::Secret;
    }
    let key = (host.clone(), file.path.clone());
    match (applied.get(&key), texts.files.get(&key)) {
        (Some(applied), Some(there)) => {
            content_change(applied.expose(), there.expose(), Sides { before: "as applied", after: "on the host" })
        }
        (None, _) => ContentChange::Hidden { reason: format!("what run {} wrote is not known here any more", entry.run) },
        (_, None) => ContentChange::Hidden { reason: format!("its content on {host} could not be read") },
    }
}

/// How a resource differs from what was applied, but for the content of a file.
fn reasons(resource: &Resource, seen: &Observed) -> Vec<String> {
    if let (Resource::Unit(_), Observed::Unit(state)) = (resource, seen) {
        return unit_reasons(state);
    }
    let Some(found) = difference(resource, seen) else { return Vec::new() };
    match (resource, seen) {
        (_, Observed::Absent) => vec!["is gone".to_owned()],
        (Resource::File(file), Observed::File { mode, owner, .. }) => attributes(file.mode, &file.owner, *mode, owner),
        (Resource::Directory(directory), Observed::Directory { mode, owner }) => attributes(directory.mode, &directory.owner, *mode, owner),
        (Resource::Sysctl(sysctl), Observed::Sysctl { value, .. }) => vec![format!("is {}, was set to {}", value.trim(), sysctl.value)],
        (Resource::Binary(binary), Observed::Binary { target: Some(target), .. }) if *target != binary.blob.digest => {
            vec![format!("leads to {}, not to {} ({})", target.short(), binary.version, binary.blob.digest.short())]
        }
        (Resource::Image(image), Observed::Image { digest: Some(digest) }) => {
            vec![format!("is {}, not {}", digest.short(), image.blob.digest.short())]
        }
        _ => found.reasons,
    }
}

/// A unit that runs with other inputs than those of its last start is the plan's business, not the host's.
fn unit_reasons(state: &UnitState) -> Vec<String> {
    if !state.loaded {
        return vec!["is not known to systemd".to_owned()];
    }
    let mut reasons = Vec::new();
    if !state.is_active() {
        reasons.push(format!("is {}", state.active));
    }
    if !state.enabled {
        reasons.push("does not start at boot".to_owned());
    }
    reasons
}

fn attributes(applied_mode: u32, applied_owner: &Owner, mode: u32, owner: &Owner) -> Vec<String> {
    let mut reasons = Vec::new();
    if applied_mode != mode {
        reasons.push(format!("has mode {mode:04o}, not {applied_mode:04o}"));
    }
    if applied_owner != owner {
        reasons.push(format!("belongs to {}:{}, not to {}:{}", owner.user, owner.group, applied_owner.user, applied_owner.group));
    }
    reasons
}

/// Labels and taints that barque sets and a node does not have. A node that has not registered is for `status`.
pub(crate) fn node_drift(host: &Host, labels: &BTreeMap<String, String>, nodes: &[NodeState]) -> Option<NodeDrift> {
    let state = nodes.iter().find(|node| node.name == host.name.as_str())?;
    let mut reasons = Vec::new();
    for (key, value) in labels {
        match state.labels.get(key) {
            Some(found) if found == value => {}
            Some(found) => reasons.push(format!("label {key}={value} is {key}={found}")),
            None => reasons.push(format!("label {key}={value} is gone")),
        }
    }
    let missing = host.taints.iter().filter(|taint| !state.taints.contains(taint));
    reasons.extend(missing.map(|taint| format!("taint {} is gone", taint_text(taint))));
    (!reasons.is_empty()).then(|| NodeDrift { node: host.name.clone(), reasons })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Taint, TaintEffect};
    use barque_plan::{Prior, Sysctl};

    use super::*;
    use crate::testing::{binary, blob, file, unit};

    fn entry(resource: Resource) -> LedgerEntry {
        LedgerEntry { resource, run: "20261125T020304Z-1a2b".parse().unwrap(), original: Prior::Absent, uncertain: false }
    }

    fn seen_file(content: &str, mode: u32) -> Observed {
        Observed::File { digest: Digest::of(content.as_bytes()), mode, owner: Owner::root() }
    }

    fn state(active: &str, enabled: bool) -> UnitState {
        UnitState {
            loaded: true,
            enabled,
            active: active.into(),
            sub: String::new(),
            fingerprint: Some(Digest::of(b"other inputs")),
            restarts: 0,
            active_since: 1,
        }
    }

    fn drifts(pairs: Vec<(LedgerEntry, Observed)>) -> Vec<(String, Vec<String>, bool)> {
        let (entries, observed): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let found = host_drift(&"m1".parse().unwrap(), &entries, &observed, &AppliedContents::new(), &Texts::default());
        found.drifts.into_iter().map(|drift| (drift.resource.0, drift.reasons, drift.content.is_some())).collect()
    }

    #[test]
    fn each_kind_says_how_it_differs() {
        let sysctl = Resource::Sysctl(Sysctl { key: "net.ipv4.ip_forward".into(), value: "1".into(), required: true });
        let other = Observed::Binary { target: Some(blob("other").digest), intact: true };
        let text = drifts(vec![
            (entry(file("/etc/a", "A", false)), seen_file("A", 0o644)),
            (entry(file("/etc/b", "B", false)), seen_file("edited", 0o600)),
            (entry(file("/etc/c", "C", false)), Observed::Absent),
            (entry(binary("/usr/local/bin/etcd", "3.6.14")), other),
            (entry(unit("etcd.service")), Observed::Unit(state("inactive", false))),
            (entry(sysctl), Observed::Sysctl { value: "0\n".into(), writable: true }),
        ]);
        let text: Vec<String> = text
            .into_iter()
            .map(|(id, reasons, content)| format!("{id}: {reasons:?}{}", if content { " and content" } else { "" }))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        file /etc/a: ["has mode 0644, not 0600"]
        file /etc/b: [] and content
        file /etc/c: ["is gone"]
        binary /usr/local/bin/etcd: ["leads to d9298a10d1b0, not to 3.6.14 (25b6a807cf99)"]
        unit etcd.service: ["is inactive", "does not start at boot"]
        sysctl net.ipv4.ip_forward: ["is 0, was set to 1"]
        "#);
    }

    #[test]
    fn what_is_as_applied_or_was_cut_short_is_no_drift() {
        let uncertain = LedgerEntry { uncertain: true, ..entry(file("/etc/b", "B", false)) };
        let found = drifts(vec![
            (entry(file("/etc/a", "A", false)), seen_file("A", 0o600)),
            (uncertain, seen_file("edited", 0o600)),
            // Its inputs changed since its start: that is for the next plan.
            (entry(unit("etcd.service")), Observed::Unit(state("active", true))),
        ]);
        assert_eq!(found, []);
    }

    #[test]
    fn a_secret_is_never_read_or_shown() {
        let (entries, observed) = ([entry(file("/etc/key", "hunter2", true))], [seen_file("edited", 0o600)]);
        assert_eq!(edited_files(&entries, &observed), []);
        let found = host_drift(&"m1".parse().unwrap(), &entries, &observed, &AppliedContents::new(), &Texts::default());
        assert_eq!(found.drifts[0].content, Some(ContentChange::Secret));
    }

    #[test]
    fn an_edited_file_shows_what_was_edited() {
        let host: HostName = "m1".parse().unwrap();
        let (entries, observed) = ([entry(file("/etc/a", "A=1\n", false))], [seen_file("A=2\n", 0o600)]);
        let key = (host.clone(), "/etc/a".to_owned());
        let applied = AppliedContents::from([(key.clone(), SecretBytes::new(*b"A=1\n"))]);
        let texts = Texts { files: [(key, SecretBytes::new(*b"A=2\n"))].into(), ..Texts::default() };
        let found = host_drift(&host, &entries, &observed, &applied, &texts);
        let Some(ContentChange::Text { diff }) = &found.drifts[0].content else { panic!("a diff") };
        insta::assert_snapshot!(diff, @r"
        --- as applied
        +++ on the host
        @@ -1 +1 @@
        -A=1
        +A=2
        ");
    }

    #[test]
    fn labels_and_taints_that_are_gone() {
        let mut host = crate::testing::cluster().hosts.remove(5);
        host.taints = vec![Taint { key: "k".into(), value: "v".into(), effect: TaintEffect::NoSchedule }];
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let mut node = NodeState {
            name: host.name.to_string(),
            ready: true,
            message: String::new(),
            version: String::new(),
            addresses: Vec::new(),
            labels: BTreeMap::from([("b".to_owned(), "3".to_owned()), ("theirs".to_owned(), "x".to_owned())]),
            taints: Vec::new(),
        };
        let found = node_drift(&host, &labels, std::slice::from_ref(&node)).unwrap();
        assert_eq!(found.reasons, ["label a=1 is gone", "label b=2 is b=3", "taint k=v:NoSchedule is gone"]);
        node.labels = labels.clone();
        node.taints = host.taints.clone();
        assert_eq!(node_drift(&host, &labels, std::slice::from_ref(&node)), None);
        assert_eq!(node_drift(&host, &labels, &[]), None);
    }
}
