//! Reaches one host: an SSH connection, and the agent on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use barque_agent::AgentClient;
use barque_event::Failure;
use barque_model::{Host, HostName, Sudo, TransportKind};
use barque_store::StateDirectory;
use barque_transport::{
    ConnectError, Connection, Escalation, Executable, HostKeyPolicy, Settings, SshConfig, SshTransport, Transport, launch, launch_unseen,
};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::{Context, EngineError};

/// Lines of an agent's standard error that are kept.
const TAIL_LINES: usize = 20;

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
    /// Whether it may pass by itself (a host that does not answer), as opposed to a refusal (a wrong key or password).
    pub may_pass: bool,
    /// Whether the login works and root is not reached.
    pub escalation: bool,
}

/// A host's agent and the connection that carries it.
pub(crate) struct Connected {
    pub(crate) agent: AgentClient,
    pub(crate) connection: Box<dyn Connection>,
}

/// All that is needed to reach a host, again when a connection breaks.
pub(crate) struct Dialer {
    transport: SshTransport,
    executable: Executable,
    password: Option<SecretString>,
    kind: Option<TransportKind>,
    build: String,
    /// Whether agents only look, and leave nothing on their hosts.
    unseen: bool,
}

impl Dialer {
    /// Reads barque's own executable and asks for passwords.
    pub(crate) async fn new(context: &Context, state: &StateDirectory) -> Result<Self, EngineError> {
        let (path, folder) = (context.options.executable.clone(), context.options.compressed.clone());
        // Half a second of work when this program is new on this machine.
        let reading = tokio::task::spawn_blocking(move || {
            let read = std::fs::read(&path).and_then(|bytes| Executable::new(bytes).with_kept_gzip(&folder));
            read.map_err(|source| EngineError::Executable { path, source })
        });
        let executable = reading.await.map_err(|stopped| EngineError::Executable {
            path: context.options.executable.clone(),
            source: std::io::Error::other(stopped),
        })??;
        Ok(Self {
            executable,
            transport: SshTransport::new(settings(context, state)),
            password: sudo_password(context).await,
            kind: context.options.transport,
            build: context.options.build_id.clone(),
            unseen: false,
        })
    }

    /// The same, with agents that change nothing and of which nothing stays.
    pub(crate) fn unseen(self) -> Self {
        Self { unseen: true, ..self }
    }

    /// Connects to `host` and starts its agent.
    pub(crate) async fn dial(&self, host: &Host) -> Result<Connected, Box<HostProblem>> {
        let mut host = host.clone();
        if let Some(kind) = self.kind {
            host.ssh.transport = kind;
        }
        self.connect(&host).await
    }

    async fn connect(&self, host: &Host) -> Result<Connected, Box<HostProblem>> {
        let problem = |message: String, details: Vec<String>, hint: Option<String>| {
            Box::new(HostProblem { host: host.name.clone(), message, details, hint, may_pass: false, escalation: false })
        };
        let escalation = match (host.ssh.sudo, &self.password) {
            (Sudo::None, _) => Escalation::None,
            (Sudo::Passwordless, _) => Escalation::SudoPasswordless,
            (Sudo::Password, Some(password)) => Escalation::SudoPassword(password.clone()),
            (Sudo::Password, None) => {
                let hint = "run barque on a terminal, or name a file with `--sudo-password-file FILE`";
                let message = format!("sudo of {} needs a password and there is nobody to ask", host.ssh.user);
                return Err(Box::new(HostProblem { escalation: true, ..*problem(message, Vec::new(), Some(hint.into())) }));
            }
        };
        let connection = self.transport.connect(host).await.map_err(|error| {
            let may_pass = does_not_answer(&error);
            Box::new(HostProblem { may_pass, ..*problem(chain(&error), Vec::new(), error.hint()) })
        })?;
        let launched = if self.unseen {
            launch_unseen(connection.as_ref(), &self.executable, &["agent", "--read-only"], &escalation).await
        } else {
            launch(connection.as_ref(), &self.executable, &["agent"], &escalation).await
        };
        let launched = launched.map_err(|error| {
            Box::new(HostProblem { escalation: error.is_escalation(), ..*problem(chain(&error), Vec::new(), error.hint()) })
        })?;
        let process = launched.process;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        tokio::spawn(keep_tail(process.stderr, Arc::clone(&tail)));
        let last_lines = move || tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let started = AgentClient::start(process.stdout, process.stdin, &self.build, Arc::new(last_lines)).await;
        let (agent, _hello) = started.map_err(|error| {
            let may_pass = error.is_lost();
            let failure = Failure::from(error);
            Box::new(HostProblem { may_pass, ..*problem(failure.message, failure.output, failure.hint) })
        })?;
        // The agent's end shows on its streams; the exit status adds nothing while it lives.
        tokio::spawn(process.exit.wait());
        Ok(Connected { agent, connection })
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
    settings.limit = options.limit;
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

/// Whether the host, or the one on the way to it, does not answer at all.
fn does_not_answer(error: &ConnectError) -> bool {
    match error {
        ConnectError::Unreachable { .. } | ConnectError::Timeout { .. } => true,
        ConnectError::Jump { source, .. } => does_not_answer(source),
        _ => false,
    }
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
