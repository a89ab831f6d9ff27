//! Findings, and those of them that are accepted.

use barque_model::{AcceptedCheck, CheckId, HostName, Severity};
use serde::Serialize;

/// A fault of one host and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that found it.
    pub id: CheckId,
    /// How bad it is.
    pub severity: Severity,
    /// The host.
    pub host: HostName,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A finding of `id`.
    pub fn new(id: CheckId, host: &HostName, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, severity: id.severity(), host: host.clone(), message: message.into(), remedy: remedy.into() }
    }
}

/// A finding that the cluster file accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
}

/// Findings, apart from those that are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// What is to be put right.
    pub findings: Vec<Finding>,
    /// What the cluster file accepts.
    pub accepted: Vec<AcceptedFinding>,
}

/// Takes what the cluster file accepts out of `findings`.
pub fn sort(findings: Vec<Finding>, accepted: &[AcceptedCheck]) -> Sorted {
    let mut sorted = Sorted::default();
    for finding in findings {
        let covers = |rule: &&AcceptedCheck| rule.check == finding.id && (rule.hosts.is_empty() || rule.hosts.contains(&finding.host));
        match accepted.iter().find(covers) {
            Some(rule) => sorted.accepted.push(AcceptedFinding { reason: rule.reason.clone(), finding }),
            None => sorted.findings.push(finding),
        }
    }
    sorted
}
