//! Questions that planning a cluster raises and that no single setting answers.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::Text;

const DATA: &str = include_str!("../../../catalog/topics.toml");

static TOPICS: LazyLock<Vec<TopicEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/topics.toml is embedded and a test parses it").topic);

/// A topic, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicEntry {
    /// Its name.
    pub name: String,
    /// Other words by which people look for it.
    pub words: Vec<String>,
    /// Its title.
    pub title: Text,
    /// The explanation, several lines.
    pub text: Text,
    /// What to read on: arguments of `barque explain`.
    pub see: Vec<String>,
    /// Where the facts come from.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    topic: Vec<TopicEntry>,
}

/// Every topic.
pub fn topics() -> &'static [TopicEntry] {
    &TOPICS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole() {
        for name in ["storage-driver", "vip-before-etcd"] {
            assert!(topics().iter().any(|entry| entry.name == name), "{name}");
        }
        for entry in topics() {
            entry.text.check(&entry.name);
            assert!(!entry.title.en.is_empty() && !entry.title.zh.is_empty() && !entry.source.is_empty(), "{}", entry.name);
        }
    }
}
