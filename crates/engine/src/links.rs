//! The connections of a run, made anew when they break.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use barque_agent::{AgentClient, LockAnswer, LockRequest};
use barque_model::{Host, HostName};
use barque_transport::Connection;

use crate::HostProblem;
use crate::dial::{Connected, Dialer};

/// Tries to reach a host again before it is left for a later run. Each takes up to the connection's own limit of 10 s.
const TRIES: usize = 3;
/// Pause before the first new try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// All connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    hosts: BTreeMap<HostName, Link>,
    /// The run lock, taken again on each new connection.
    lock: Mutex<Option<LockRequest>>,
}

struct Link {
    host: Host,
    state: Mutex<State>,
    /// Held while the host is dialled again.
    dialling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    agent: Option<AgentClient>,
    connection: Option<Box<dyn Connection>>,
    /// Counts the connections made.
    generation: u32,
    lost: Option<HostProblem>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    pub(crate) fn new(dialer: Dialer, connected: Vec<(Host, Connected)>) -> Self {
        let hosts = connected.into_iter().map(|(host, connected)| {
            let state = State { agent: Some(connected.agent), connection: Some(connected.connection), ..State::default() };
            (host.name.clone(), Link { host, state: Mutex::new(state), dialling: tokio::sync::Mutex::default() })
        });
        Self(Arc::new(Inner { dialer, hosts: hosts.collect(), lock: Mutex::default() }))
    }

    /// The agent of a host that answers.
    pub(crate) fn agent(&self, host: &HostName) -> Option<AgentClient> {
        self.0.hosts.get(host).and_then(|link| locked(&link.state).agent.clone())
    }

    /// All agents.
    pub(crate) fn agents(&self) -> BTreeMap<HostName, AgentClient> {
        self.0.hosts.keys().filter_map(|host| Some((host.clone(), self.agent(host)?))).collect()
    }

    /// Remembers the run lock, for connections that are made anew.
    pub(crate) fn remember_lock(&self, request: LockRequest) {
        *locked(&self.0.lock) = Some(request);
    }

    /// The run lock, if it is held.
    pub(crate) fn lock(&self) -> Option<LockRequest> {
        locked(&self.0.lock).clone()
    }

    /// Connects to a host once more, beside the connection that is there, and starts an agent of its own.
    pub(crate) async fn beside(&self, host: &HostName) -> Result<Connected, Box<HostProblem>> {
        match self.0.hosts.get(host) {
            Some(link) => self.0.dialer.dial(&link.host).await,
            None => Err(Box::new(HostProblem {
                host: host.clone(),
                message: "it did not answer when the run began".to_owned(),
                details: Vec::new(),
                hint: None,
                may_pass: false,
                escalation: false,
            })),
        }
    }

    /// Hosts whose connection broke and could not be made anew.
    pub(crate) fn lost(&self) -> Vec<HostProblem> {
        self.0.hosts.values().filter_map(|link| locked(&link.state).lost.clone()).collect()
    }

    /// Makes the connection to `host` anew if it is broken. `false` when the host is lost.
    pub(crate) async fn renew(&self, host: &HostName) -> bool {
        let Some(link) = self.0.hosts.get(host) else { return false };
        let generation = locked(&link.state).generation;
        let _alone = link.dialling.lock().await;
        {
            let state = locked(&link.state);
            if state.lost.is_some() {
                return false;
            }
            // Another step was here first, or the failure was none of the connection's.
            if state.generation != generation || state.agent.as_ref().is_some_and(|agent| !agent.is_lost()) {
                return true;
            }
        }
        let mut pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(TRIES).build();
        loop {
            let problem = match self.dial(link).await {
                Ok(connected) => {
                    let mut state = locked(&link.state);
                    state.agent = Some(connected.agent);
                    state.connection = Some(connected.connection);
                    state.generation += 1;
                    return true;
                }
                Err(problem) => problem,
            };
            match pauses.next() {
                Some(pause) if problem.may_pass => tokio::time::sleep(pause).await,
                _ => {
                    let mut state = locked(&link.state);
                    state.agent = None;
                    state.lost = Some(*problem);
                    return false;
                }
            }
        }
    }

    async fn dial(&self, link: &Link) -> Result<Connected, Box<HostProblem>> {
        let connected = self.0.dialer.dial(&link.host).await?;
        let request = locked(&self.0.lock).clone();
        let Some(request) = request else { return Ok(connected) };
        let problem = |message: String| {
            let hint = Some("see `barque runs` for what else is going on, then run `barque up` again".to_owned());
            Box::new(HostProblem { host: link.host.name.clone(), message, details: Vec::new(), hint, may_pass: false, escalation: false })
        };
        match connected.agent.lock(request).await {
            Ok(LockAnswer::Taken) => Ok(connected),
            Ok(LockAnswer::Held { owner }) => Err(problem(format!("another run has taken the host meanwhile: {owner}"))),
            Err(error) => Err(problem(error.to_string())),
        }
    }

    /// Takes agents and connections out, to close them.
    pub(crate) fn take(self) -> (Vec<AgentClient>, Vec<Box<dyn Connection>>) {
        let (mut agents, mut connections) = (Vec::new(), Vec::new());
        for link in self.0.hosts.values() {
            let mut state = locked(&link.state);
            agents.extend(state.agent.take());
            connections.extend(state.connection.take());
        }
        (agents, connections)
    }
}
