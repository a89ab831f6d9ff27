//! The contract of the transports.

use std::sync::Arc;

use async_trait::async_trait;
use barque_model::{Host, TransportKind};
use leaky_bucket::RateLimiter;

use crate::builtin::RusshTransport;
use crate::error::ConnectError;
use crate::limit::{LimitedConnection, limiter};
use crate::process::Process;
use crate::settings::Settings;
use crate::system::SystemSshTransport;

/// Opens connections to hosts.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Connects to `host`, verifies its key and logs in. Refused connections are tried again, three times at most within about 10 s.
    async fn connect(&self, host: &Host) -> Result<Box<dyn Connection>, ConnectError>;
}

/// A connection to one host.
#[async_trait]
pub trait Connection: Send + Sync {
    /// The host's name in the cluster.
    fn host(&self) -> &str;

    /// Starts one command on the host, without a terminal; the login shell reads `command`.
    async fn start(&self, command: &str) -> Result<Process, ConnectError>;

    /// Says good-bye. Processes that still run lose their standard streams.
    async fn close(self: Box<Self>);
}

/// Both transports; each host is reached by the one that it asks for.
pub struct SshTransport {
    builtin: RusshTransport,
    system: SystemSshTransport,
    limiter: Option<Arc<RateLimiter>>,
}

impl SshTransport {
    /// Makes both from the same settings, so that they share the limit of handshakes.
    pub fn new(settings: Settings) -> Self {
        let limiter = settings.limit.map(limiter);
        Self { limiter, builtin: RusshTransport::new(settings.clone()), system: SystemSshTransport::new(settings) }
    }
}

#[async_trait]
impl Transport for SshTransport {
    async fn connect(&self, host: &Host) -> Result<Box<dyn Connection>, ConnectError> {
        let connection = match host.ssh.transport {
            TransportKind::Builtin => self.builtin.connect(host).await?,
            TransportKind::System => self.system.connect(host).await?,
        };
        Ok(match &self.limiter {
            Some(limiter) => Box::new(LimitedConnection { connection, limiter: Arc::clone(limiter) }),
            None => connection,
        })
    }
}
