//! What went wrong on a host, with all that is needed to act on it.

use barque_model::HostName;
use serde::{Deserialize, Serialize};

/// A failed step: what, where, why and what to do next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The host; `None` for what concerns the cluster as a whole.
    pub host: Option<HostName>,
    /// The step's title.
    pub step: String,
    /// What failed, a lower-case fragment.
    pub message: String,
    /// The command that was run on the host, if one was.
    pub command: Option<String>,
    /// Its exit status.
    pub exit_status: Option<i32>,
    /// Its last lines of output.
    pub output: Vec<String>,
    /// The unit whose journal follows.
    pub unit: Option<String>,
    /// The last 20 lines of the unit's journal.
    pub journal: Vec<String>,
    /// What to do next, naming a command to run.
    pub hint: Option<String>,
    /// Whether the same may succeed when tried again a little later.
    #[serde(default)]
    pub retryable: bool,
}

impl Failure {
    /// A failure with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, worth another try a little later.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_of_an_earlier_version_is_not_retryable() {
        let earlier =
            r#"{"host":null,"step":"s","message":"m","command":null,"exit_status":null,"output":[],"unit":null,"journal":[],"hint":null}"#;
        let read: Failure = serde_json::from_str(earlier).unwrap();
        assert_eq!(read, Failure { step: "s".into(), ..Failure::new("m") });
        assert!(!read.retryable && read.retryable().retryable);
    }
}
