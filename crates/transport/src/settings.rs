//! What the binary decides about SSH, as plain values.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use barque_model::ByteRate;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::host_key::{AcceptedHostKey, HostKeyPolicy};

/// Asks and tells the operator; the binary implements it.
#[async_trait]
pub trait Prompt: Send + Sync {
    /// Asks for the passphrase of a private key file; `None` when there is nobody to ask.
    async fn passphrase(&self, key: &Path) -> Option<SecretString>;

    /// Tells that the key of a host seen for the first time was written down.
    fn host_key_accepted(&self, accepted: &AcceptedHostKey);
}

/// Whether the operator's `ssh_config` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshConfig {
    /// It does, read through `ssh -G` when `ssh` is installed. What the cluster file says wins.
    System {
        /// Another file than `~/.ssh/config`.
        file: Option<PathBuf>,
    },
    /// It does not.
    None,
}

/// What all connections of one process share.
#[derive(Clone)]
pub struct Settings {
    /// known_hosts files, all of them asked; a new key is appended to the first.
    pub known_hosts: Vec<PathBuf>,
    /// What happens with a host that none of them names.
    pub host_keys: HostKeyPolicy,
    /// Whether `ssh_config` counts.
    pub ssh_config: SshConfig,
    /// The operator's home, for `~` in key paths.
    pub home: Option<PathBuf>,
    /// Socket of the SSH agent (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
    /// Asks for passphrases.
    pub prompt: Arc<dyn Prompt>,
    /// Where the system transport puts its control sockets; a short path, such as `/run/user/1000` or `/tmp`.
    pub runtime_directory: PathBuf,
    /// Limit for TCP connect, and again for the handshake.
    pub connect_timeout: Duration,
    /// The most that all connections together send to hosts; `None` for as much as there is.
    pub limit: Option<ByteRate>,
    /// How many handshakes go on at once. sshd drops beyond `MaxStartups` (10 by default), and a jump host sees them all.
    pub handshakes: Arc<Semaphore>,
}

impl Settings {
    /// Settings with the usual limits: 10 s to connect, 10 handshakes at once, strict host keys, no `ssh_config`, no agent.
    pub fn new(known_hosts: Vec<PathBuf>, runtime_directory: PathBuf, prompt: Arc<dyn Prompt>) -> Self {
        Self {
            known_hosts,
            host_keys: HostKeyPolicy::Verify,
            ssh_config: SshConfig::None,
            home: None,
            agent: None,
            prompt,
            runtime_directory,
            connect_timeout: Duration::from_secs(10),
            limit: None,
            handshakes: Arc::new(Semaphore::new(10)),
        }
    }

    /// Replaces a leading `~/`.
    pub(crate) fn expand_home(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("known_hosts", &self.known_hosts)
            .field("host_keys", &self.host_keys)
            .field("ssh_config", &self.ssh_config)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}
