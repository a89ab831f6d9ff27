//! Flags, fields and parameters that barque sets: what they mean, why they are as they are, and what changing them does.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use barque_model::Component;
use serde::{Deserialize, Serialize};

use crate::{Minor, Subject, Text};

/// One flag, field or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whether it is a flag or a field.
    #[serde(default = "EntryKind::flag")]
    pub kind: EntryKind,
    /// The flag without dashes, or the field's path with dots; list positions are left out.
    pub name: String,
    /// The flag of the same meaning, where a field has one of another name.
    #[serde(default)]
    pub flag: Option<String>,
    /// The program's own default; `None` when it has none.
    #[serde(default)]
    pub default: Option<String>,
    /// Fields of the cluster file that decide the value; empty when barque decides alone.
    #[serde(default)]
    pub from: Vec<String>,
    /// First release that has it, of Kubernetes or of the program itself; `None` when all releases of the catalog do.
    #[serde(default)]
    pub since: Option<Minor>,
    /// Last release that has it.
    #[serde(default)]
    pub until: Option<Minor>,
    /// What it is.
    pub meaning: Text,
    /// Why barque sets it as it does.
    pub why: Text,
    /// What changing it does.
    pub changing: Text,
    /// Where the facts come from.
    pub source: String,
}

impl Entry {
    /// Whether a release of the program has it.
    pub fn exists_in(&self, release: Minor) -> bool {
        self.since.is_none_or(|since| since <= release) && self.until.is_none_or(|until| release <= until)
    }
}

/// Where a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// On the command line.
    Flag,
    /// In a configuration file.
    Field,
}

impl EntryKind {
    const fn flag() -> Self {
        Self::Flag
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    entry: Vec<Entry>,
}

/// The text of each subject's file, parsed when it is first asked for: most questions are about one subject.
static DATA: [(Subject, &str, LazyLock<Vec<Entry>>); 14] = [
    file(Subject::Component(Component::Etcd), include_str!("../../../catalog/flags/etcd.toml"), || parse(0)),
    file(Subject::Component(Component::Haproxy), include_str!("../../../catalog/flags/haproxy.toml"), || parse(1)),
    file(Subject::Component(Component::Keepalived), include_str!("../../../catalog/flags/keepalived.toml"), || parse(2)),
    file(Subject::Component(Component::KubeApiserver), include_str!("../../../catalog/flags/kube-apiserver.toml"), || parse(3)),
    file(Subject::Component(Component::KubeControllerManager), include_str!("../../../catalog/flags/kube-controller-manager.toml"), || {
        parse(4)
    }),
    file(Subject::Component(Component::KubeScheduler), include_str!("../../../catalog/flags/kube-scheduler.toml"), || parse(5)),
    file(Subject::Component(Component::Containerd), include_str!("../../../catalog/flags/containerd.toml"), || parse(6)),
    file(Subject::Component(Component::Kubelet), include_str!("../../../catalog/flags/kubelet.toml"), || parse(7)),
    file(Subject::Component(Component::KubeProxy), include_str!("../../../catalog/flags/kube-proxy.toml"), || parse(8)),
    file(Subject::Component(Component::Flanneld), include_str!("../../../catalog/flags/flanneld.toml"), || parse(9)),
    file(Subject::Cni, include_str!("../../../catalog/flags/cni.toml"), || parse(10)),
    file(Subject::Coredns, include_str!("../../../catalog/flags/coredns.toml"), || parse(11)),
    file(Subject::Kernel, include_str!("../../../catalog/flags/kernel.toml"), || parse(12)),
    file(Subject::Systemd, include_str!("../../../catalog/flags/systemd.toml"), || parse(13)),
];

const fn file(subject: Subject, text: &'static str, parse: fn() -> Vec<Entry>) -> (Subject, &'static str, LazyLock<Vec<Entry>>) {
    (subject, text, LazyLock::new(parse))
}

fn parse(position: usize) -> Vec<Entry> {
    toml::from_str::<Table>(DATA[position].1).expect("catalog/flags is embedded and a test parses it").entry
}

/// All entries of `subject`, in the order of its file.
pub fn entries(subject: Subject) -> &'static [Entry] {
    DATA.iter().find(|(owner, _, _)| *owner == subject).map_or(&[], |(_, _, entries)| entries.as_slice())
}

/// All entries of `component`, in the order of its file.
pub fn component_entries(component: Component) -> &'static [Entry] {
    entries(Subject::Component(component))
}

/// The entry of a flag (without dashes) or field (path with dots).
pub fn entry(subject: Subject, kind: EntryKind, name: &str) -> Option<&'static Entry> {
    entries(subject).iter().find(|entry| entry.kind == kind && entry.name == name)
}

/// Catalogued flags of `component` that `help_text`, the program's own `--help`, does not know.
///
/// An empty answer means that the program accepts every flag barque may emit for it.
pub fn missing_flags(component: Component, help_text: &str) -> Vec<&'static str> {
    let known: BTreeSet<&str> = help_text
        .lines()
        .flat_map(|line| line.split_whitespace().take(2))
        .filter_map(|word| word.strip_prefix("--").or_else(|| word.strip_prefix('-')))
        .map(|word| word.trim_end_matches(','))
        .map(|word| word.split_once('=').map_or(word, |(name, _)| name))
        .collect();
    component_entries(component)
        .iter()
        .filter(|entry| entry.kind == EntryKind::Flag && !known.contains(entry.name.as_str()))
        .map(|entry| entry.name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_file_parses_and_stands_in_its_place() {
        for (position, (subject, text, _)) in DATA.iter().enumerate() {
            assert_eq!(*subject, Subject::ALL[position]);
            let parsed = toml::from_str::<Table>(text).unwrap_or_else(|error| panic!("{subject}: {error}")).entry;
            assert_eq!(parsed, entries(*subject), "{subject}");
        }
    }

    #[test]
    fn every_entry_is_whole_in_both_languages() {
        for subject in Subject::ALL {
            let entries = entries(subject);
            let names: BTreeSet<(EntryKind, &str)> = entries.iter().map(|entry| (entry.kind, entry.name.as_str())).collect();
            assert_eq!(names.len(), entries.len(), "{subject} has an entry twice");
            for entry in entries {
                let place = format!("{subject} {}", entry.name);
                for text in [&entry.meaning, &entry.why, &entry.changing] {
                    text.check(&place);
                }
                assert!(!entry.source.is_empty() && !entry.name.starts_with('-'), "{place}");
                assert!(entry.since.is_none_or(|since| entry.until.is_none_or(|until| since <= until)), "{place}");
                assert!(entry.default.as_deref() != Some(""), "{place}: no default is no field");
            }
        }
    }

    #[test]
    fn help_in_the_three_styles_is_understood() {
        // klog programs, with a short form.
        let mut pflag = String::from("  -v, --v Level   number\n");
        // etcd quotes the default, the flag package of Go has one dash.
        let mut etcd = String::new();
        let mut plain = String::from("Usage: flannel [OPTION]...\n");
        for entry in component_entries(Component::KubeScheduler).iter().filter(|entry| entry.kind == EntryKind::Flag && entry.name != "v") {
            let _ = writeln!(pflag, "      --{} string   text --other", entry.name);
        }
        for entry in component_entries(Component::Etcd) {
            let _ = writeln!(etcd, "  --{} 'default'\n    words", entry.name);
        }
        for entry in component_entries(Component::Flanneld).iter().filter(|entry| entry.kind == EntryKind::Flag) {
            let _ = writeln!(plain, "  -{} string\n    \twords", entry.name);
        }
        assert_eq!(missing_flags(Component::KubeScheduler, &pflag), Vec::<&str>::new());
        assert_eq!(missing_flags(Component::Etcd, &etcd), Vec::<&str>::new());
        assert_eq!(missing_flags(Component::Flanneld, &plain), Vec::<&str>::new());
    }

    #[test]
    fn a_flag_that_the_program_lost_is_named() {
        let help = "      --config string\n  -v, --v Level\n      --authentication-kubeconfig string mentions --bind-address\n";
        let missing = missing_flags(Component::KubeScheduler, help);
        assert!(missing.contains(&"bind-address"), "{missing:?}");
        assert!(!missing.contains(&"config") && !missing.contains(&"v"), "{missing:?}");
    }

    #[test]
    fn entries_are_found_by_name_and_know_their_releases() {
        let etcd = Subject::Component(Component::Etcd);
        assert!(entry(etcd, EntryKind::Field, "quota-backend-bytes").is_none());
        assert!(entry(etcd, EntryKind::Flag, "quota-backend-bytes").unwrap().exists_in(Minor::new(3, 5)));
        let gates = entry(etcd, EntryKind::Flag, "feature-gates").unwrap();
        assert!(gates.exists_in(Minor::new(3, 6)) && !gates.exists_in(Minor::new(3, 5)));
    }
}
