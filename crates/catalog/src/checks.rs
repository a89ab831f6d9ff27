//! What each check means, in two languages.

use std::sync::LazyLock;

use barque_model::CheckId;
use serde::Deserialize;

const DATA: &str = include_str!("../../../catalog/checks.toml");

static CHECKS: LazyLock<Vec<CheckEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/checks.toml is embedded and a test parses it").check);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    check: Vec<CheckEntry>,
}

/// A text in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckText {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// A check, explained.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckEntry {
    /// Which.
    pub id: CheckId,
    /// What is right when it finds nothing; a sentence without a full stop.
    pub title: CheckText,
    /// Why it matters.
    pub why: CheckText,
    /// What to do when it finds something.
    pub remedy: CheckText,
}

/// Every check, in the order of the file.
pub fn checks() -> &'static [CheckEntry] {
    &CHECKS
}

/// The entry of `check`.
pub fn check(check: CheckId) -> Option<&'static CheckEntry> {
    CHECKS.iter().find(|entry| entry.id == check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_explained_once_and_in_its_place() {
        let explained: Vec<CheckId> = checks().iter().map(|entry| entry.id).collect();
        assert_eq!(explained, CheckId::ALL);
    }

    #[test]
    fn every_text_is_there_in_both_languages() {
        let chinese = |text: &str| text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
        for entry in checks() {
            for text in [&entry.title, &entry.why, &entry.remedy] {
                assert!(!text.en.is_empty() && !chinese(&text.en) && chinese(&text.zh), "{}: {text:?}", entry.id);
            }
        }
    }
}
