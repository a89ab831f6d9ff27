//! What is wrong with the files of a bundle.

use std::fmt;

use barque_model::Digest;
use serde::Serialize;

/// A file of a bundle that is not as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Its name in the bundle, such as `blobs/<digest>.zst`.
    pub path: String,
    /// What is wrong with it.
    pub kind: FaultKind,
    /// The artifacts whose content it is, such as `binary kubelet 1.37.2 for amd64`; none where the manifest does not know it.
    pub artifacts: Vec<String>,
    /// What the manifest says.
    pub expected: Option<Content>,
    /// What is there.
    pub found: Option<Content>,
}

/// Kinds of faults.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum FaultKind {
    /// The manifest knows it and it is not there.
    Missing,
    /// It is not what the manifest says.
    Changed,
    /// It is there and the manifest does not know it.
    Surplus,
    /// It cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// Content by size and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// In bytes; none where it was not looked at.
    pub size: Option<u64>,
    /// SHA-256; none where only the size was looked at.
    pub digest: Option<Digest>,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Surplus => "surplus",
            Self::Unreadable { .. } => "unreadable",
        })
    }
}
