//! The lines of a journal.

use std::collections::BTreeMap;

use barque_model::{RunId, Taint};
use barque_plan::{Difference, Prior, Resource};
use serde::{Deserialize, Serialize};

/// Version of [`Record`]. New kinds of records do not change it: a reader leaves out lines that it does not know.
pub(super) const FORMAT: u32 = 1;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Record {
    /// A change is about to begin.
    Intent {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// What is changed.
        resource: Box<Resource>,
        /// How.
        difference: Difference,
        /// What was there.
        prior: Prior,
    },
    /// A resource is about to go back to what it was.
    Restore {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// The resource as the runs taken back left it.
        resource: Box<Resource>,
        /// What it goes back to.
        target: Prior,
        /// What was there.
        prior: Prior,
        /// The state of before this run is restored.
        before: RunId,
    },
    /// A cluster object is about to be made or changed.
    ObjectIntent {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// The object as it is applied, JSON.
        object: String,
        /// The object as it was, JSON; `None` when there was none.
        prior: Option<String>,
    },
    /// A cluster object that barque applied is about to be deleted.
    ObjectRemoval {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// The object as it was applied, JSON.
        object: String,
        /// The object as it was, JSON.
        prior: String,
    },
    /// A node's labels and taints are about to be set.
    NodeIntent {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// The node.
        node: String,
        /// Former values of the labels that are set; `None` when there was no such label.
        labels: BTreeMap<String, Option<String>>,
        /// Taints that were not there.
        taints_added: Vec<Taint>,
        /// Taints that were there with another value, as they were.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taints_former: Vec<Taint>,
    },
    /// Changes of cluster objects and nodes are about to be taken back.
    KubeRestore {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// The state of before this run is restored.
        before: RunId,
        /// What is taken back, `Kind namespace/name` each.
        names: Vec<String>,
        /// Of the nodes among them, by name, what is about to change.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        nodes: BTreeMap<String, NodeFormer>,
    },
    /// The dead-man switch takes a run back; its records follow.
    TakeBack {
        /// Version of this record.
        format: u32,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// The run that is taken back.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A change has ended.
    Outcome {
        /// Version of this record.
        format: u32,
        /// The intent's number.
        intent: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// How it ended.
        result: Ending,
        /// Why it failed, or which run observed it.
        message: String,
    },
    /// The agent ended in order and no intent was open.
    End {
        /// Version of this record.
        format: u32,
    },
}

/// What of a node's labels and taints is about to change, as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFormer {
    /// Former values of labels; `None` when there was no such label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints_added: Vec<Taint>,
    /// Taints that were there, and will not be, or with another value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints_former: Vec<Taint>,
}

impl NodeFormer {
    /// Whether nothing is about to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.taints_added.is_empty() && self.taints_former.is_empty()
    }
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Changed, and verified.
    Changed,
    /// Tried, and nothing has changed.
    Unchanged,
    /// Failed. What is there may be the old state or the new one.
    Failed,
    /// Left open by a crash, and observed by a later run.
    Observed,
}

impl Record {
    /// Its number, when an outcome can name it.
    pub(crate) const fn seq(&self) -> Option<u64> {
        match self {
            Self::Intent { seq, .. }
            | Self::Restore { seq, .. }
            | Self::ObjectIntent { seq, .. }
            | Self::ObjectRemoval { seq, .. }
            | Self::NodeIntent { seq, .. }
            | Self::KubeRestore { seq, .. } => Some(*seq),
            Self::TakeBack { .. } | Self::Outcome { .. } | Self::End { .. } => None,
        }
    }
}
