//! Stages of a deployment.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::Text;

const DATA: &str = include_str!("../../../catalog/stages.toml");

static STAGES: LazyLock<Vec<StageEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/stages.toml is embedded and a test parses it").stage);

/// A stage, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageEntry {
    /// Its name, as the live view shows it.
    pub name: String,
    /// What is done.
    pub meaning: Text,
    /// What it waits for.
    pub waits: Text,
    /// What holds when it is done.
    pub done: Text,
    /// What it means when it fails.
    pub failing: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    stage: Vec<StageEntry>,
}

/// Every stage in order.
pub fn stages() -> &'static [StageEntry] {
    &STAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole() {
        assert!(!stages().is_empty());
        for entry in stages() {
            for text in [&entry.meaning, &entry.waits, &entry.done, &entry.failing] {
                text.check(&entry.name);
            }
        }
    }
}
