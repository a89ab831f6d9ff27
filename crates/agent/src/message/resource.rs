//! Changes of resources.

use barque_model::{RunId, SecretBytes};
use barque_plan::{Change, Prior, Resource, ResourceId};
use serde::{Deserialize, Serialize};

use super::as_json;

/// Asks an agent to make a resource so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The run that asks.
    pub run: RunId,
    /// Title of the step, for journal and failures.
    pub step: String,
    /// The resource.
    pub resource: Resource,
    /// Content of a file, as rendered; without it only mode and owner can be changed.
    pub content: Option<SecretBytes>,
    /// What the plan wants done; a restart is never weakened to a reload.
    pub change: Option<Change>,
    /// Units that read the resource at start. They are marked before the change, so that they take it up even if this agent dies next.
    pub stales: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Whether anything was changed.
    pub changed: bool,
    /// What a person should know although it is no failure.
    pub notes: Vec<String>,
}

/// Asks an agent to bring a resource back to what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The run that asks.
    pub run: RunId,
    /// Title of the step, for journal and failures.
    pub step: String,
    /// The resource as the runs taken back left it.
    pub resource: Resource,
    /// What it goes back to.
    #[serde(with = "as_json")]
    pub prior: Prior,
    /// The state of before this run is restored.
    pub before: RunId,
}

/// A change that an earlier run began and whose end was not recorded, because the agent or the host died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// The run.
    pub run: RunId,
    /// Number within the run's journal.
    pub seq: u64,
    /// Title of the step.
    pub step: String,
    /// What was being changed.
    pub resource: ResourceId,
}
