//! Flags and configuration fields that barque sets: why, and where that is known from.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use barque_model::Component;
use serde::Deserialize;

/// One flag or configuration field of a component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whether it is a flag or a field.
    #[serde(default = "EntryKind::flag")]
    pub kind: EntryKind,
    /// The flag without dashes, or the field's path with dots; list positions are left out.
    pub name: String,
    /// Why barque sets it as it does, one sentence.
    pub why: String,
    /// Where the fact comes from.
    pub source: String,
}

/// Where a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// On the command line.
    Flag,
    /// In the component's configuration file.
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

const DATA: [(Component, &str); 7] = [
    (Component::Etcd, include_str!("../../../catalog/flags/etcd.toml")),
    (Component::KubeApiserver, include_str!("../../../catalog/flags/kube-apiserver.toml")),
    (Component::KubeControllerManager, include_str!("../../../catalog/flags/kube-controller-manager.toml")),
    (Component::KubeScheduler, include_str!("../../../catalog/flags/kube-scheduler.toml")),
    (Component::Kubelet, include_str!("../../../catalog/flags/kubelet.toml")),
    (Component::KubeProxy, include_str!("../../../catalog/flags/kube-proxy.toml")),
    (Component::Flanneld, include_str!("../../../catalog/flags/flanneld.toml")),
];

static ENTRIES: LazyLock<Vec<(Component, Vec<Entry>)>> = LazyLock::new(|| {
    let parse = |text| toml::from_str::<Table>(text).expect("catalog/flags is embedded and a test parses it").entry;
    DATA.iter().map(|(component, text)| (*component, parse(text))).collect()
});

/// All entries of `component`, in the order of the file; none for components whose settings are not catalogued (haproxy, keepalived, containerd).
pub fn component_entries(component: Component) -> &'static [Entry] {
    ENTRIES.iter().find(|(owner, _)| *owner == component).map_or(&[], |(_, entries)| entries)
}

/// The entry of a flag (without dashes) or field (path with dots).
pub fn entry(component: Component, kind: EntryKind, name: &str) -> Option<&'static Entry> {
    component_entries(component).iter().find(|entry| entry.kind == kind && entry.name == name)
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
    fn every_file_parses_and_says_why() {
        for (component, text) in DATA {
            let entries = toml::from_str::<Table>(text).unwrap_or_else(|error| panic!("{component}: {error}")).entry;
            let names: BTreeSet<(EntryKind, &str)> = entries.iter().map(|entry| (entry.kind, entry.name.as_str())).collect();
            assert_eq!(names.len(), entries.len(), "{component} has an entry twice");
            for entry in &entries {
                assert!(entry.why.ends_with('.') && entry.why.len() > 15, "{component} {}: {}", entry.name, entry.why);
                assert!(!entry.source.is_empty() && !entry.name.starts_with('-'), "{component} {}", entry.name);
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
    fn entries_are_found_by_name() {
        assert!(entry(Component::Etcd, EntryKind::Flag, "quota-backend-bytes").is_some());
        assert!(entry(Component::Etcd, EntryKind::Field, "quota-backend-bytes").is_none());
        assert!(component_entries(Component::Haproxy).is_empty());
    }
}
