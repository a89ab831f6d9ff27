//! Events of a run.

use barque_model::{ClusterName, HostName, RunId};
use serde::{Deserialize, Serialize};

use crate::{Failure, Stage};

/// One change of state. Terminal, JSON output, run log and replay all read the same stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its number, counted from 1 without gaps within a run.
    pub seq: u64,
    /// When it happened, by the operator's clock.
    pub at: jiff::Timestamp,
    /// The host it concerns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostName>,
    /// The step it concerns, by its number in the plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<u32>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// A run began.
    RunStarted {
        /// The run.
        run: RunId,
        /// The cluster.
        cluster: ClusterName,
        /// The verb, such as `up`.
        verb: String,
        /// Who started it, `user@machine`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        operator: Option<String>,
        /// The hosts, in file order.
        hosts: Vec<HostName>,
    },
    /// A host's agent answered.
    HostConnected {
        /// Milliseconds from the start of the connection.
        millis: u64,
    },
    /// The plan is known.
    Planned {
        /// Steps that change something.
        changes: u32,
        /// All steps, with gates and transfers.
        steps: u32,
        /// Steps of each stage.
        stages: Vec<(Stage, u32)>,
        /// Steps of each host; empty in the logs of earlier versions.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        hosts: Vec<(HostName, u32)>,
    },
    /// A stage's first step began.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A stage's last step ended.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// Milliseconds from its first step's start.
        millis: u64,
    },
    /// A step began.
    StepStarted {
        /// Its stage.
        stage: Stage,
        /// Its title.
        title: String,
    },
    /// A step ended well.
    StepFinished {
        /// Its title.
        title: String,
        /// What it did.
        outcome: StepOutcome,
        /// Milliseconds it took.
        millis: u64,
    },
    /// A step failed.
    StepFailed {
        /// Why.
        failure: Failure,
    },
    /// A step failed for now and will be tried again.
    StepRetried {
        /// Its title.
        title: String,
        /// Tries so far.
        attempt: u32,
        /// Why it failed.
        message: String,
        /// Milliseconds until the next try.
        wait_millis: u64,
    },
    /// A host does not answer; what needs it is left for a later run.
    HostPending {
        /// Why.
        message: String,
    },
    /// A step will not run because one that it needs failed.
    StepSkipped {
        /// Its title.
        title: String,
    },
    /// Bytes that a host has received in this run.
    BytesSent {
        /// Bytes so far, as the bundle holds them.
        sent: u64,
        /// Bytes in all.
        total: u64,
        /// Those among `sent` that came from other hosts and not from the operator's machine.
        #[serde(skip_serializing_if = "is_zero", default)]
        from_hosts: u64,
    },
    /// Something worth knowing.
    Note {
        /// A sentence.
        text: String,
    },
    /// The run ended.
    RunFinished {
        /// How.
        outcome: RunOutcome,
        /// Steps that changed something.
        changed: u32,
        /// Steps that found nothing to do.
        unchanged: u32,
        /// Steps that failed.
        failed: u32,
        /// Milliseconds from the run's start.
        millis: u64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepOutcome {
    /// It changed something and verified it.
    Changed,
    /// It found everything as it should be.
    Unchanged,
    /// What it had to observe holds.
    Holds,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunOutcome {
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// Done, but for hosts that did not answer.
    Partial,
    /// The operator stopped it.
    Interrupted,
}
