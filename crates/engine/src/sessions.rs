//! Connections to hosts: one SSH connection and one agent process each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use barque_agent::AgentClient;
use barque_event::EventKind;
use barque_model::HostName;
use barque_store::StateDirectory;
use barque_transport::Connection;
use futures::future::join_all;
use tokio::sync::Semaphore;

use crate::dial::Dialer;
use crate::links::Links;
use crate::{Context, EngineError, Events, HostProblem};

/// Hosts that are connected to at the same time. Handshakes and the agent's bytes cost this machine processor time; with more at once, each
/// takes longer and some reach their limits.
const AT_ONCE: usize = 64;
/// How long the end of the agents is waited for.
const CLOSING: Duration = Duration::from_millis(200);
/// How long their end is waited for when it matters.
const ENDING: Duration = Duration::from_mins(2);

/// The hosts that answered.
pub struct Sessions {
    links: Links,
    problems: Vec<HostProblem>,
}

impl Sessions {
    /// Connects to all hosts at once; at least one must answer. Those that do not are [`Self::problems`].
    pub async fn connect_most(context: &Context, state: &StateDirectory, events: &Events) -> Result<Self, EngineError> {
        let (sessions, problems) = Self::connect_some(context, state, events).await?;
        if sessions.links.agents().is_empty() || problems.iter().any(|problem| !problem.may_pass) {
            // A wrong key or password is the operator's to mend first, and a run with no host would do nothing.
            sessions.close().await;
            return Err(EngineError::Hosts(problems));
        }
        for problem in &problems {
            events.host(&problem.host, EventKind::HostPending { message: problem.message.clone() });
        }
        Ok(sessions)
    }

    /// Connects to all hosts at once; those that do not answer are reported beside the others.
    pub async fn connect_some(context: &Context, state: &StateDirectory, events: &Events) -> Result<(Self, Vec<HostProblem>), EngineError> {
        Self::connect(context, Dialer::new(context, state).await?, events).await
    }

    /// The same, with agents that only look; nothing of them stays on the hosts.
    pub(crate) async fn connect_unseen(
        context: &Context,
        state: &StateDirectory,
        events: &Events,
    ) -> Result<(Self, Vec<HostProblem>), EngineError> {
        Self::connect(context, Dialer::new(context, state).await?.unseen(), events).await
    }

    async fn connect(context: &Context, dialer: Dialer, events: &Events) -> Result<(Self, Vec<HostProblem>), EngineError> {
        let turns = Semaphore::new(AT_ONCE);
        let attempts = context.cluster.hosts.iter().map(|host| {
            let (dialer, turns) = (&dialer, &turns);
            async move {
                let _turn = turns.acquire().await;
                let begun = Instant::now();
                let result = dialer.dial(host).await;
                if result.is_ok() {
                    events.host(&host.name, EventKind::HostConnected { millis: crate::frame::millis(begun) });
                }
                (host, result)
            }
        });
        let mut connected = Vec::new();
        let mut problems = Vec::new();
        for (host, result) in join_all(attempts).await {
            match result {
                Ok(connection) => connected.push((host.clone(), connection)),
                Err(problem) => problems.push(*problem),
            }
        }
        Ok((Self { links: Links::new(dialer, connected), problems: problems.clone() }, problems))
    }

    /// The agent of a host that answered.
    pub fn agent(&self, host: &HostName) -> Option<AgentClient> {
        self.links.agent(host)
    }

    /// All agents.
    pub fn agents(&self) -> BTreeMap<HostName, AgentClient> {
        self.links.agents()
    }

    /// The connections, which are made anew when they break.
    pub(crate) const fn links(&self) -> &Links {
        &self.links
    }

    /// Hosts that did not answer, and why.
    pub fn problems(&self) -> &[HostProblem] {
        &self.problems
    }

    /// Names of the hosts that did not answer.
    pub fn absent(&self) -> BTreeSet<HostName> {
        self.problems.iter().map(|problem| problem.host.clone()).collect()
    }

    /// Lets the agents end and closes the connections.
    ///
    /// An agent brings what it wrote to the disk before it ends. Its host does that without this side, so nobody waits for it long.
    pub async fn close(self) {
        self.close_within(CLOSING).await;
    }

    /// The same, after what the agents still do at their end is done, such as removing barque's own folder.
    pub async fn close_when_done(self) {
        self.close_within(ENDING).await;
    }

    async fn close_within(self, patience: Duration) {
        let (agents, connections) = self.links.take();
        let _still_syncing = tokio::time::timeout(patience, join_all(agents.into_iter().map(AgentClient::close))).await;
        join_all(connections.into_iter().map(Connection::close)).await;
    }
}
