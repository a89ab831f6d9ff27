//! Flags that barque does not set and that came or went between the releases of the catalog: people have them in `spec.extraArgs`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{Minor, Subject, Text};

const DATA: &str = include_str!("../../../catalog/changes.toml");

static CHANGES: LazyLock<Vec<ChangeEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/changes.toml is embedded and a test parses it").change);

/// A flag that some releases have and others have not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeEntry {
    /// The program.
    #[serde(deserialize_with = "subject")]
    pub component: Subject,
    /// The flag without dashes.
    pub flag: String,
    /// First Kubernetes release that has it; `None` when the oldest of the catalog does.
    #[serde(default)]
    pub since: Option<Minor>,
    /// Last Kubernetes release that has it; `None` when the newest of the catalog does.
    #[serde(default)]
    pub until: Option<Minor>,
    /// What it is, and what to do instead where it went.
    pub meaning: Text,
}

impl ChangeEntry {
    /// Whether a Kubernetes release has the flag.
    pub fn exists_in(&self, release: Minor) -> bool {
        self.since.is_none_or(|since| since <= release) && self.until.is_none_or(|until| release <= until)
    }
}

fn subject<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Subject, D::Error> {
    let name = String::deserialize(deserializer)?;
    Subject::find(&name).ok_or_else(|| serde::de::Error::custom(format!("there is no component `{name}`")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    change: Vec<ChangeEntry>,
}

/// Every entry, by program and flag.
pub fn changes() -> &'static [ChangeEntry] {
    &CHANGES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{EntryKind, entry, minor_range};

    #[test]
    fn entries_are_whole_in_order_and_of_flags_that_barque_does_not_set() {
        let changes = toml::from_str::<Table>(DATA).unwrap().change;
        assert!(changes.is_sorted_by_key(|change| (change.component.name(), change.flag.clone())));
        let (first, last) = minor_range();
        for change in &changes {
            let place = format!("{} {}", change.component, change.flag);
            change.meaning.check(&place);
            assert!(change.component.is_kubernetes() && entry(change.component, EntryKind::Flag, &change.flag).is_none(), "{place}");
            assert!(!(change.exists_in(first) && change.exists_in(last)), "{place}: nothing changed");
        }
    }
}
