//! The system's `ssh` program: one master per host with a control socket of its own, one short-lived client per command.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use barque_model::Host;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::classify::classify;
use crate::connection::{Connection, Transport};
use crate::error::ConnectError;
use crate::host_key::{AcceptedHostKey, HostKeyPolicy};
use crate::known_hosts::{KnownHosts, fingerprint, lookup_name};
use crate::process::{ExitStatus, Process, ProcessExit};
use crate::quote::quote;
use crate::settings::{Settings, SshConfig};
use crate::ssh_config::Hop;

/// After this long, a failed connection is not tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time for key exchange and login on top of the connect timeout.
const LOGIN: Duration = Duration::from_mins(1);
/// How often the control socket is looked for.
const POLL: Duration = Duration::from_millis(5);

/// Connects with the system's `ssh`: whatever the operator's `ssh` can do, GSSAPI and hardware tokens included, works.
pub struct SystemSshTransport {
    settings: Arc<Settings>,
}

impl SystemSshTransport {
    /// A transport with these settings; passphrases are the business of the operator's agent, as `ssh` runs in batch mode.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    async fn open(&self, host: &Host) -> Result<Box<dyn Connection>, ConnectError> {
        let ssh = &host.ssh;
        let key = |key: &Option<PathBuf>| key.as_ref().map(|key| self.settings.expand_home(key));
        let hop = Hop { address: ssh.address.clone(), user: ssh.user.clone(), port: ssh.port, key: key(&ssh.key) };
        let jump = ssh.jump.as_ref().map(|jump| Hop {
            address: jump.address.clone(),
            user: jump.user.clone(),
            port: jump.port,
            key: key(&jump.key),
        });
        let program = |source| ConnectError::Program { program: "ssh".to_owned(), source };
        let directory = tempfile::Builder::new()
            .prefix("barque-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.settings.runtime_directory)
            .map_err(program)?;
        let socket = directory.path().join("s");
        let arguments = arguments(&self.settings, &hop, jump.as_ref(), &socket);

        let _permit = self.settings.handshakes.acquire().await;
        let mut command = Command::new("ssh");
        command.args(["-M", "-N"]).args(&arguments).args(["--", &hop.address]);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut master = command.spawn().map_err(program)?;
        let stderr = collect(master.stderr.take());
        let limit = self.settings.connect_timeout + LOGIN;
        match tokio::time::timeout(limit, wait_for(&socket, &mut master)).await {
            Ok(true) => {}
            Ok(false) => {
                let words = stderr.whole().await;
                return Err(classify(&words, &hop, jump.as_ref(), self.settings.connect_timeout));
            }
            Err(_) => return Err(ConnectError::Timeout { address: hop.place(), stage: "authentication", after: limit }),
        }
        if self.settings.host_keys == HostKeyPolicy::AcceptNew {
            self.report(&stderr.so_far(), [Some(&hop), jump.as_ref()].into_iter().flatten())?;
        }
        Ok(Box::new(SystemConnection {
            host: host.name.to_string(),
            address: hop.address,
            arguments,
            socket,
            master,
            _directory: directory,
        }))
    }

    /// Tells of the keys that `ssh` says it has written down.
    fn report<'a>(&self, words: &str, hops: impl Iterator<Item = &'a Hop>) -> Result<(), ConnectError> {
        if !words.contains("Permanently added") {
            return Ok(());
        }
        let known = KnownHosts::read(self.settings.known_hosts.iter().take(1).map(PathBuf::as_path))?;
        for hop in hops {
            let name = lookup_name(&hop.address, hop.port);
            if !words.lines().any(|line| line.contains("Permanently added") && line.contains(&format!("'{name}'"))) {
                continue;
            }
            for entry in known.keys(&name) {
                self.settings.prompt.host_key_accepted(&AcceptedHostKey {
                    host: name.clone(),
                    key_type: entry.key_type.clone(),
                    fingerprint: fingerprint(&entry.blob),
                    file: entry.file.clone(),
                });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for SystemSshTransport {
    async fn connect(&self, host: &Host) -> Result<Box<dyn Connection>, ConnectError> {
        let begun = Instant::now();
        (|| self.open(host))
            .retry(
                ExponentialBuilder::default().with_min_delay(Duration::from_millis(300)).with_factor(4.0).with_max_times(2).with_jitter(),
            )
            .when(|error| error.is_retryable() && begun.elapsed() < PATIENCE)
            .await
    }
}

/// Arguments of the master and of every client, without the destination.
fn arguments(settings: &Settings, hop: &Hop, jump: Option<&Hop>, socket: &Path) -> Vec<String> {
    let mut arguments = common(settings, hop);
    arguments.extend(["-S".to_owned(), socket.display().to_string(), "-T".to_owned()]);
    if let Some(jump) = jump {
        // `-J` would take neither a key nor known_hosts files for the jump host.
        let mut command = vec!["ssh".to_owned()];
        command.extend(common(settings, jump).iter().map(|word| quote(word).replace('%', "%%")));
        command.extend(["-W".to_owned(), "'[%h]:%p'".to_owned(), "--".to_owned(), quote(&jump.address).replace('%', "%%")]);
        arguments.extend(["-o".to_owned(), format!("ProxyCommand={}", command.join(" "))]);
    }
    arguments
}

/// Arguments that concern one hop. Nothing secret is among them.
fn common(settings: &Settings, hop: &Hop) -> Vec<String> {
    let mut arguments = vec!["-p".to_owned(), hop.port.to_string(), "-l".to_owned(), hop.user.clone()];
    match &settings.ssh_config {
        SshConfig::System { file: Some(file) } => arguments.extend(["-F".to_owned(), file.display().to_string()]),
        SshConfig::System { file: None } => {}
        SshConfig::None => arguments.extend(["-F".to_owned(), "none".to_owned()]),
    }
    let mut option = |text: String| arguments.extend(["-o".to_owned(), text]);
    let known: Vec<String> = settings.known_hosts.iter().map(|file| format!("\"{}\"", file.display())).collect();
    if !known.is_empty() {
        option(format!("UserKnownHostsFile={}", known.join(" ")));
    }
    let strict = match settings.host_keys {
        HostKeyPolicy::Verify => "yes",
        HostKeyPolicy::AcceptNew => "accept-new",
    };
    option(format!("StrictHostKeyChecking={strict}"));
    option(format!("ConnectTimeout={}", settings.connect_timeout.as_secs().max(1)));
    for fixed in [
        "BatchMode=yes",
        "HashKnownHosts=no",
        "UpdateHostKeys=no",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ControlPersist=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "ClearAllForwardings=yes",
        "RemoteCommand=none",
        "LogLevel=INFO",
    ] {
        option(fixed.to_owned());
    }
    if let Some(agent) = &settings.agent {
        option(format!("IdentityAgent=\"{}\"", agent.display()));
    }
    if let Some(key) = &hop.key {
        arguments.extend(["-i".to_owned(), key.display().to_string()]);
    }
    arguments
}

/// Waits until the master listens, which it does once logged in; false if it ends first.
async fn wait_for(socket: &Path, master: &mut Child) -> bool {
    loop {
        if socket.exists() {
            return true;
        }
        tokio::select! {
            _ = master.wait() => return false,
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// What a program says, collected while it runs; the last 64 KiB.
struct Collected {
    text: Arc<std::sync::Mutex<Vec<u8>>>,
    end: oneshot::Receiver<()>,
}

fn collect(stream: Option<tokio::process::ChildStderr>) -> Collected {
    let text = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (done, end) = oneshot::channel();
    if let Some(mut stream) = stream {
        let text = Arc::clone(&text);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                let mut text = text.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                text.extend_from_slice(&buffer[..length]);
                let excess = text.len().saturating_sub(64 << 10);
                text.drain(..excess);
            }
            let _ = done.send(());
        });
    }
    Collected { text, end }
}

impl Collected {
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(std::sync::PoisonError::into_inner)).into_owned()
    }

    /// All of it, once the stream has ended; a proxy that lives on may hold it open for a moment.
    async fn whole(mut self) -> String {
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.end).await;
        self.so_far()
    }
}

struct SystemConnection {
    host: String,
    address: String,
    arguments: Vec<String>,
    socket: PathBuf,
    master: Child,
    _directory: TempDir,
}

#[async_trait]
impl Connection for SystemConnection {
    fn host(&self) -> &str {
        &self.host
    }

    async fn start(&self, command: &str) -> Result<Process, ConnectError> {
        let failed = |reason: &str| ConnectError::Start { host: self.host.clone(), reason: reason.to_owned() };
        if !self.socket.exists() {
            return Err(failed("the connection was closed"));
        }
        let mut client = Command::new("ssh");
        client.args(["-o", "ControlMaster=no", "-o", "LogLevel=ERROR"]).args(&self.arguments).args(["--", &self.address, command]);
        client.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = client.spawn().map_err(|source| ConnectError::Program { program: "ssh".to_owned(), source })?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(failed("its standard streams are missing"));
        };
        let exit = ProcessExit::new(async move {
            match child.wait().await {
                // `ssh` itself uses 255 for a lost connection.
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(255), _) => ExitStatus::Lost,
                    (Some(code), _) => ExitStatus::Code(code.unsigned_abs()),
                    (None, signal) => ExitStatus::Signal(signal.unwrap_or_default().to_string()),
                },
                Err(_) => ExitStatus::Lost,
            }
        });
        Ok(Process { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit })
    }

    async fn close(mut self: Box<Self>) {
        let mut command = Command::new("ssh");
        command.args(["-O", "exit"]).args(&self.arguments).args(["--", &self.address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let _ = tokio::time::timeout(Duration::from_secs(2), command.status()).await;
        if tokio::time::timeout(Duration::from_secs(2), self.master.wait()).await.is_err() {
            let _ = self.master.kill().await;
        }
    }
}
