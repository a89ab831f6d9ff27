//! Why a call of an agent did not succeed, as the client sees it.

use std::io;

use barque_event::Failure;

use crate::wire::WireError;

/// Why an agent did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It answered that it failed.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
    /// The connection ended; what was asked may have been done.
    #[error("the connection to the agent was lost: {reason}")]
    Lost {
        /// Why.
        reason: String,
        /// The last lines of its standard error.
        stderr: Vec<String>,
    },
    /// What answered is no agent.
    #[error("the agent did not start")]
    NoHello {
        /// What came instead.
        seen: Vec<String>,
        /// The last lines of standard error.
        stderr: Vec<String>,
    },
    /// The agent is of another build.
    #[error("the agent is of build {theirs} (protocol {their_protocol}), this program of build {ours} (protocol {our_protocol})")]
    OtherBuild {
        /// This program's build.
        ours: String,
        /// This program's protocol.
        our_protocol: u32,
        /// The agent's build.
        theirs: String,
        /// The agent's protocol.
        their_protocol: u32,
    },
    /// What was to be sent could not be read.
    #[error("the content to send cannot be read: {0}")]
    Source(io::Error),
    /// A message could not be written or read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The answer is one to another question.
    #[error("the agent answered another question")]
    Unexpected,
}

impl AgentError {
    /// Whether the same call may succeed over a new connection.
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let message = error.to_string();
        match error {
            AgentError::Failed(failure) => *failure,
            AgentError::Lost { stderr, .. } => Self {
                output: stderr,
                ..Self::new(message).with_hint("run `barque up` again: it goes on where this run ended").retryable()
            },
            AgentError::NoHello { seen, stderr } => {
                let output = seen.into_iter().chain(stderr).collect();
                Self { output, ..Self::new(message).with_hint("run `barque check`: it names what a host lacks") }
            }
            AgentError::OtherBuild { .. } => Self::new(message).with_hint("run `barque up` again: it sends this program to the host"),
            AgentError::Source(_) | AgentError::Wire(_) | AgentError::Unexpected => Self::new(message),
        }
    }
}
