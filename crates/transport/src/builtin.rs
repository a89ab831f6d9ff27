//! SSH in this process, with russh.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use barque_model::Host;
use russh::{ChannelMsg, client};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::authenticate::{Login, authenticate};
use crate::channel::into_process;
use crate::connection::{Connection, Transport};
use crate::error::ConnectError;
use crate::key_ring::KeyRing;
use crate::known_hosts::lookup_name;
use crate::process::Process;
use crate::session::{Session, Verifier, handshake};
use crate::settings::Settings;
use crate::ssh_config::{self, Hop, HostConfig, place};

/// After this long, a failed connection is not tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many jump hosts may follow one another.
const JUMPS: usize = 4;

/// Connects without any program on the operator's machine.
pub struct RusshTransport {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Arc<Settings>,
    ring: KeyRing,
    /// Sessions with jump hosts: all hosts behind one share its session.
    jumps: Mutex<HashMap<Hop, Arc<Mutex<Weak<Session>>>>>,
}

impl RusshTransport {
    /// A transport that holds keys and jump sessions for its life.
    pub fn new(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { settings: Arc::new(settings), ring: KeyRing::default(), jumps: Mutex::default() }) }
    }
}

#[async_trait]
impl Transport for RusshTransport {
    async fn connect(&self, host: &Host) -> Result<Box<dyn Connection>, ConnectError> {
        let ssh = &host.ssh;
        let hop = Hop { address: ssh.address.clone(), user: ssh.user.clone(), port: ssh.port, key: ssh.key.clone() };
        let jump = ssh.jump.as_ref().map(|jump| Hop {
            address: jump.address.clone(),
            user: jump.user.clone(),
            port: jump.port,
            key: jump.key.clone(),
        });
        let begun = Instant::now();
        let session = (|| self.shared.open(&hop, jump.as_slice(), 0))
            .retry(
                ExponentialBuilder::default().with_min_delay(Duration::from_millis(300)).with_factor(4.0).with_max_times(2).with_jitter(),
            )
            .when(|error| error.is_retryable() && begun.elapsed() < PATIENCE)
            .notify(|error, after| tracing::debug!(host = %host.name, %error, ?after, "connects again"))
            .await?;
        Ok(Box::new(RusshConnection { host: host.name.to_string(), session }))
    }
}

impl Shared {
    /// Opens a session with `hop` through `jumps` (nearest to the operator first), or through those of `ssh_config`.
    async fn open(&self, hop: &Hop, jumps: &[Hop], depth: usize) -> Result<Arc<Session>, ConnectError> {
        let config = ssh_config::of(hop, &self.settings).await?;
        let jumps = if jumps.is_empty() { config.jumps.as_slice() } else { jumps };
        if jumps.is_empty() && config.proxy_command {
            return Err(ConnectError::Unsupported { host: hop.address.clone(), what: "ProxyCommand" });
        }
        if jumps.len() + depth > JUMPS {
            return Err(ConnectError::Protocol { address: hop.place(), reason: format!("more than {JUMPS} jump hosts in a row") });
        }
        let host = config.host_name.clone().unwrap_or_else(|| hop.address.clone());
        let place = place(&host, hop.port);
        // The permit comes after the jump's session: holding one while waiting for another could block all.
        let (handle, via) = match jumps.split_last() {
            None => {
                let _permit = self.settings.handshakes.acquire().await;
                let stream = self.dial(&host, hop.port, &place).await?;
                (self.log_in(stream, hop, &host, &config, &place).await?, None)
            }
            Some((jump, before)) => {
                let wrap = |error| ConnectError::Jump { via: jump.place(), source: Box::new(error) };
                let via = Box::pin(self.jump(jump, before, depth + 1)).await.map_err(wrap)?;
                let _permit = self.settings.handshakes.acquire().await;
                let open = via.handle.channel_open_direct_tcpip(host.clone(), u32::from(hop.port), "127.0.0.1", 0);
                let channel = match tokio::time::timeout(self.settings.connect_timeout, open).await {
                    Ok(Ok(channel)) => channel,
                    Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                        let cause = format!("jump host {} answers {reason:?}", jump.place());
                        return Err(ConnectError::Unreachable { address: place, cause });
                    }
                    Ok(Err(error)) => return Err(wrap(ConnectError::from(error).at(&jump.place()))),
                    Err(_) => return Err(self.timeout(&place, "connect")),
                };
                (self.log_in(channel.into_stream(), hop, &host, &config, &place).await?, Some(via))
            }
        };
        Ok(Arc::new(Session { handle, _via: via }))
    }

    /// A session with a jump host, shared with the other hosts behind it.
    async fn jump(&self, jump: &Hop, before: &[Hop], depth: usize) -> Result<Arc<Session>, ConnectError> {
        let slot = Arc::clone(self.jumps.lock().await.entry(jump.clone()).or_default());
        let mut slot = slot.lock().await;
        if let Some(session) = slot.upgrade().filter(|session| !session.is_closed()) {
            return Ok(session);
        }
        let session = self.open(jump, before, depth).await?;
        *slot = Arc::downgrade(&session);
        Ok(session)
    }

    async fn dial(&self, host: &str, port: u16, place: &str) -> Result<TcpStream, ConnectError> {
        let limit = self.settings.connect_timeout;
        let stream = tokio::time::timeout(limit, async {
            let addresses: Vec<_> =
                tokio::net::lookup_host((host, port)).await.map_err(|_| ConnectError::NameNotFound { name: host.to_owned() })?.collect();
            TcpStream::connect(addresses.as_slice()).await.map_err(|error| unreachable(place, &error))
        });
        let stream = stream.await.map_err(|_| self.timeout(place, "connect"))??;
        stream.set_nodelay(true).map_err(|error| unreachable(place, &error))?;
        Ok(stream)
    }

    async fn log_in<S>(
        &self,
        stream: S,
        hop: &Hop,
        host: &str,
        config: &HostConfig,
        place: &str,
    ) -> Result<client::Handle<Verifier>, ConnectError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let mut files = self.settings.known_hosts.clone();
        files.extend(config.known_hosts.iter().filter(|file| !self.settings.known_hosts.contains(file)).cloned());
        let name = config.host_key_alias.clone().unwrap_or_else(|| lookup_name(host, hop.port));
        let verifier = Verifier { name, files, settings: Arc::clone(&self.settings) };
        let mut handle = handshake(stream, verifier, &config.host_key_algorithms, place).await?;
        let agent = match config.identity_agent.as_deref() {
            Some("none") => None,
            Some(socket) => Some(socket.into()),
            None => self.settings.agent.clone(),
        };
        let login = Login {
            user: &hop.user,
            place,
            key: hop.key.as_ref().map(|key| self.settings.expand_home(key)),
            identity_files: &config.identity_files,
            identities_only: config.identities_only,
            agent,
            prompt: self.settings.prompt.as_ref(),
            ring: &self.ring,
        };
        authenticate(&mut handle, &login).await?;
        Ok(handle)
    }

    fn timeout(&self, address: &str, stage: &'static str) -> ConnectError {
        ConnectError::Timeout { address: address.to_owned(), stage, after: self.settings.connect_timeout }
    }
}

fn unreachable(address: &str, error: &io::Error) -> ConnectError {
    ConnectError::Unreachable { address: address.to_owned(), cause: error.kind().to_string() }
}

struct RusshConnection {
    host: String,
    session: Arc<Session>,
}

#[async_trait]
impl Connection for RusshConnection {
    fn host(&self) -> &str {
        &self.host
    }

    async fn start(&self, command: &str) -> Result<Process, ConnectError> {
        let failed = |reason: String| ConnectError::Start { host: self.host.clone(), reason };
        let mut channel = self.session.handle.channel_open_session().await.map_err(|error| failed(error.to_string()))?;
        channel.exec(true, command).await.map_err(|error| failed(error.to_string()))?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => return Ok(into_process(channel)),
                Some(ChannelMsg::Failure) => return Err(failed("the request is refused".to_owned())),
                Some(ChannelMsg::Close) | None => return Err(failed("the connection was closed".to_owned())),
                Some(_) => {}
            }
        }
    }

    async fn close(self: Box<Self>) {
        self.session.disconnect().await;
    }
}
