//! Settings that are right by themselves, and of which something is to be said.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{Addon, Fault, FaultKind, Member};

/// `[[rule]]` of `addon.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Settings by name, and the value that each has when the rule holds.
    pub(crate) when: BTreeMap<String, Value>,
    /// Whether such settings are refused; otherwise it is a warning.
    #[serde(default)]
    pub(crate) refused: bool,
    /// What there is to say.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
}

/// What there is to say of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The words, at the first of the settings that they are about.
    pub fault: Fault,
    /// Whether the settings are refused; otherwise it is a warning.
    pub refused: bool,
}

impl Addon {
    /// What its rules say of settings that its schema takes. `settings` must be whole: what [`crate::SettingsSchema::resolve`] answers.
    pub fn said_of(&self, settings: &Value) -> Vec<Said> {
        let holds = |rule: &&Rule| rule.when.iter().all(|(name, value)| settings[name.as_str()] == *value);
        let said = |rule: &Rule| {
            let path = rule.when.keys().take(1).map(|name| Member::Field(name.clone())).collect();
            let fault = Fault { path, message: rule.message.clone(), hint: rule.hint.clone(), kind: FaultKind::Value };
            Said { fault, refused: rule.refused }
        };
        self.rules.iter().filter(holds).map(said).collect()
    }
}
