//! Connections to hosts: one SSH connection and one agent process each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use barque_agent::AgentClient;
use barque_event::{EventKind, Failure};
use barque_model::{Host, HostName, Sudo};
use barque_store::StateDirectory;
use barque_transport::{Connection, Escalation, Executable, HostKeyPolicy, Settings, SshConfig, SshTransport, Transport, launch};
use futures::future::join_all;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::{Context, EngineError, Events};

/// Lines of an agent's standard error that are kept.
const TAIL_LINES: usize = 20;

/// How long the end of the agents is waited for.
const CLOSING: Duration = Duration::from_millis(200);

/// A host that cannot be used, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostProblem {
    /// The host.
    pub host: HostName,
    /// Why.
    pub message: String,
    /// What the host or the SSH client said.
    pub details: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// The hosts that answered.
pub struct Sessions {
    agents: BTreeMap<HostName, AgentClient>,
    connections: Vec<Box<dyn Connection>>,
}

struct Connected {
    agent: AgentClient,
    connection: Box<dyn Connection>,
}

impl Sessions {
    /// Connects to all hosts at once; every host must answer.
    pub async fn connect(context: &Context, state: &StateDirectory, events: &Events) -> Result<Self, EngineError> {
        let (sessions, problems) = Self::connect_some(context, state, events).await?;
        if problems.is_empty() {
            return Ok(sessions);
        }
        sessions.close().await;
        Err(EngineError::Hosts(problems))
    }

    /// Connects to all hosts at once; those that do not answer are reported beside the others.
    pub async fn connect_some(context: &Context, state: &StateDirectory, events: &Events) -> Result<(Self, Vec<HostProblem>), EngineError> {
        let path = &context.options.executable;
        let bytes = tokio::fs::read(path).await.map_err(|source| EngineError::Executable { path: path.clone(), source })?;
        let executable = Executable::new(bytes);
        let transport = SshTransport::new(settings(context, state));
        let password = sudo_password(context).await;
        let attempts = context.cluster.hosts.iter().map(|host| {
            let mut host = host.clone();
            if let Some(kind) = context.options.transport {
                host.ssh.transport = kind;
            }
            let (transport, executable, password) = (&transport, &executable, password.as_ref());
            let build = &context.options.build_id;
            async move {
                let begun = Instant::now();
                let result = connect_one(&host, transport, executable, password, build).await;
                if result.is_ok() {
                    events.host(
                        &host.name,
                        EventKind::HostConnected { millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) },
                    );
                }
                (host.name, result)
            }
        });
        let mut sessions = Self { agents: BTreeMap::new(), connections: Vec::new() };
        let mut problems = Vec::new();
        for (host, result) in join_all(attempts).await {
            match result {
                Ok(connected) => {
                    sessions.agents.insert(host, connected.agent);
                    sessions.connections.push(connected.connection);
                }
                Err(problem) => problems.push(*problem),
            }
        }
        Ok((sessions, problems))
    }

    /// The agent of a host that answered.
    pub fn agent(&self, host: &HostName) -> Option<&AgentClient> {
        self.agents.get(host)
    }

    /// All agents.
    pub fn agents(&self) -> &BTreeMap<HostName, AgentClient> {
        &self.agents
    }

    /// Lets the agents end and closes the connections.
    ///
    /// An agent brings what it wrote to the disk before it ends. Its host does that without this side, so nobody waits for it long.
    pub async fn close(self) {
        let Self { agents, connections } = self;
        let _still_syncing = tokio::time::timeout(CLOSING, join_all(agents.into_values().map(AgentClient::close))).await;
        join_all(connections.into_iter().map(Connection::close)).await;
    }
}

fn settings(context: &Context, state: &StateDirectory) -> Settings {
    let options = &context.options;
    // New keys go to the cluster's own file, so that they move with its state and no other file of the operator is changed.
    let mut known_hosts = vec![state.known_hosts()];
    known_hosts.extend(options.known_hosts.iter().cloned());
    let mut settings = Settings::new(known_hosts, options.runtime_directory.clone(), Arc::clone(&options.prompt));
    settings.host_keys = if options.accept_new_host_keys { HostKeyPolicy::AcceptNew } else { HostKeyPolicy::Verify };
    settings.ssh_config = if options.ssh_config { SshConfig::System { file: None } } else { SshConfig::None };
    settings.home.clone_from(&options.home);
    settings.agent.clone_from(&options.ssh_agent);
    settings
}

/// Asks once for all hosts that need it.
async fn sudo_password(context: &Context) -> Option<SecretString> {
    if let Some(password) = &context.options.sudo_password {
        return Some(password.clone());
    }
    let needing: Vec<&Host> = context.cluster.hosts.iter().filter(|host| host.ssh.sudo == Sudo::Password).collect();
    let first = needing.first()?;
    context.options.ask_password.ask(&format!("sudo password of {} on {} hosts", first.ssh.user, needing.len())).await
}

async fn connect_one(
    host: &Host,
    transport: &SshTransport,
    executable: &Executable,
    password: Option<&SecretString>,
    build: &str,
) -> Result<Connected, Box<HostProblem>> {
    let problem = |message: String, details: Vec<String>, hint: Option<String>| {
        Box::new(HostProblem { host: host.name.clone(), message, details, hint })
    };
    let escalation = match (host.ssh.sudo, password) {
        (Sudo::None, _) => Escalation::None,
        (Sudo::Passwordless, _) => Escalation::SudoPasswordless,
        (Sudo::Password, Some(password)) => Escalation::SudoPassword(password.clone()),
        (Sudo::Password, None) => {
            let hint = "run barque on a terminal, or name a file with `--sudo-password-file FILE`";
            return Err(problem(
                format!("sudo of {} needs a password and there is nobody to ask", host.ssh.user),
                Vec::new(),
                Some(hint.into()),
            ));
        }
    };
    let connection = transport.connect(host).await.map_err(|error| problem(chain(&error), Vec::new(), error.hint()))?;
    let launched = launch(connection.as_ref(), executable, &["agent"], &escalation).await;
    let launched = launched.map_err(|error| problem(chain(&error), Vec::new(), error.hint()))?;
    let process = launched.process;
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    tokio::spawn(keep_tail(process.stderr, Arc::clone(&tail)));
    let last_lines = move || tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    let started = AgentClient::start(process.stdout, process.stdin, build, Arc::new(last_lines)).await;
    let (agent, _hello) = started.map_err(|error| {
        let failure = Failure::from(error);
        problem(failure.message, failure.output, failure.hint)
    })?;
    // The agent's end shows on its streams; the exit status adds nothing while it lives.
    tokio::spawn(process.exit.wait());
    Ok(Connected { agent, connection })
}

/// Keeps the last lines of an agent's standard error, for the message when its connection is lost.
async fn keep_tail(stderr: impl AsyncRead + Unpin, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(target: "barque::agent", "{line}");
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
