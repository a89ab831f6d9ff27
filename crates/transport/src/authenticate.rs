//! Logs in with public keys: the key file that the cluster file names, then the agent's keys, then those of `ssh_config`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use crate::error::ConnectError;
use crate::key_ring::{KeyRing, Loaded};
use crate::session::Verifier;
use crate::settings::Prompt;

/// The time for one key; an agent may wait for the touch of a hardware token.
const ATTEMPT: Duration = Duration::from_mins(1);
/// sshd closes the connection after `MaxAuthTries`, 6 by default.
const ATTEMPTS: usize = 6;

/// Who logs in, and with what.
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    /// `host:port` for messages.
    pub(crate) place: &'a str,
    /// The key that the cluster file names; must exist.
    pub(crate) key: Option<PathBuf>,
    /// Keys of `ssh_config`; need not exist.
    pub(crate) identity_files: &'a [PathBuf],
    /// The agent may only offer `key` and `identity_files`.
    pub(crate) identities_only: bool,
    /// The agent's socket.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) prompt: &'a dyn Prompt,
    pub(crate) ring: &'a KeyRing,
}

struct Attempts<'a> {
    handle: &'a mut Handle<Verifier>,
    login: &'a Login<'a>,
    agent: Option<AgentClient<UnixStream>>,
    identities: Vec<AgentIdentity>,
    tried: Vec<KeyData>,
    names: Vec<String>,
    methods: Vec<String>,
    locked: Option<(PathBuf, &'static str)>,
}

/// Whether to go on.
enum Next {
    LoggedIn,
    TryMore,
    GiveUp,
}

/// Logs in or says what was tried.
pub(crate) async fn authenticate(handle: &mut Handle<Verifier>, login: &Login<'_>) -> Result<(), ConnectError> {
    let (agent, identities) = match &login.agent {
        Some(socket) => ask_agent(socket).await,
        None => (None, Vec::new()),
    };
    let mut attempts =
        Attempts { handle, login, agent, identities, tried: vec![], names: vec![], methods: vec!["publickey".to_owned()], locked: None };
    match attempts.run().await? {
        Next::LoggedIn => Ok(()),
        Next::TryMore | Next::GiveUp => Err(attempts.refused()),
    }
}

/// Connects to the agent; one that does not answer counts as none, as OpenSSH does.
async fn ask_agent(socket: &Path) -> (Option<AgentClient<UnixStream>>, Vec<AgentIdentity>) {
    match AgentClient::connect_uds(socket).await {
        Ok(mut agent) => match agent.request_identities().await {
            Ok(identities) => return (Some(agent), identities),
            Err(error) => tracing::warn!(socket = %socket.display(), %error, "agent lists no keys"),
        },
        Err(error) => tracing::warn!(socket = %socket.display(), %error, "agent does not answer"),
    }
    (None, Vec::new())
}

impl Attempts<'_> {
    async fn run(&mut self) -> Result<Next, ConnectError> {
        if let Some(path) = &self.login.key {
            match self.file(path, true).await? {
                Next::TryMore => {}
                end => return Ok(end),
            }
        }
        let allowed = if self.login.identities_only { self.configured_public_keys() } else { Vec::new() };
        for identity in self.identities.clone() {
            if self.login.identities_only && !allowed.contains(identity.public_key().key_data()) {
                continue;
            }
            match self.identity(&identity).await? {
                Next::TryMore => {}
                end => return Ok(end),
            }
        }
        for path in self.login.identity_files {
            if self.login.key.as_ref() == Some(path) || !path.is_file() {
                continue;
            }
            match self.file(path, false).await? {
                Next::TryMore => {}
                end => return Ok(end),
            }
        }
        Ok(Next::GiveUp)
    }

    /// Public halves of the configured key files, read from their `.pub`.
    fn configured_public_keys(&self) -> Vec<KeyData> {
        let files = self.login.identity_files.iter().chain(&self.login.key);
        let public = |path: &PathBuf| {
            let beside = PathBuf::from(format!("{}.pub", path.display()));
            PublicKey::from_openssh(fs_err::read_to_string(beside).ok()?.trim()).ok().map(|key| key.key_data().clone())
        };
        files.filter_map(public).collect()
    }

    /// Tries a key file. One that must work and cannot be read is an error, others are passed over.
    async fn file(&mut self, path: &Path, required: bool) -> Result<Next, ConnectError> {
        let held = |public: &PublicKey| self.identities.iter().any(|identity| identity.public_key().key_data() == public.key_data());
        let key = match self.login.ring.load(path, self.login.prompt, held).await {
            Ok(Loaded::Key(key)) => key,
            Ok(Loaded::Locked { public, reason }) => {
                let same =
                    |identity: &&AgentIdentity| public.as_ref().is_some_and(|public| identity.public_key().key_data() == public.key_data());
                if let Some(identity) = self.identities.iter().find(same).cloned() {
                    return self.identity(&identity).await;
                }
                if required {
                    return Err(ConnectError::KeyPassphrase { path: path.to_owned(), reason });
                }
                self.locked.get_or_insert((path.to_owned(), reason));
                return Ok(Next::TryMore);
            }
            Err(error) if required => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "key is passed over");
                return Ok(Next::TryMore);
            }
        };
        if self.is_tried(key.public_key(), &path.display().to_string()) {
            return Ok(Next::TryMore);
        }
        let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
        let attempt = self.handle.authenticate_publickey(self.login.user, PrivateKeyWithHashAlg::new(Arc::clone(&key), hash));
        let result = match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(result) => result.map_err(|error| ConnectError::from(error).at(self.login.place))?,
            Err(_) => return Err(self.timeout()),
        };
        Ok(self.judge(&result))
    }

    /// Lets the agent sign.
    async fn identity(&mut self, identity: &AgentIdentity) -> Result<Next, ConnectError> {
        let public = identity.public_key().into_owned();
        if self.is_tried(&public, &format!("agent key {}", identity.comment())) {
            return Ok(Next::TryMore);
        }
        let hash = if public.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
        let Some(agent) = self.agent.as_mut() else { return Ok(Next::TryMore) };
        let user = self.login.user;
        let attempt = async {
            match identity {
                AgentIdentity::Certificate { certificate, .. } => {
                    self.handle.authenticate_certificate_with(user, certificate.clone(), hash, agent).await
                }
                AgentIdentity::PublicKey { .. } => self.handle.authenticate_publickey_with(user, public, hash, agent).await,
            }
        };
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(Ok(result)) => Ok(self.judge(&result)),
            Ok(Err(error)) => {
                // A key that needs confirmation and was declined; the next one may do.
                tracing::debug!(%error, "agent does not sign");
                Ok(if self.handle.is_closed() { Next::GiveUp } else { Next::TryMore })
            }
            Err(_) => Err(self.timeout()),
        }
    }

    /// The RSA signature hash that the server wants; never SHA-1.
    async fn rsa_hash(&self) -> Result<Option<HashAlg>, ConnectError> {
        let supported = self.handle.best_supported_rsa_hash().await.map_err(|error| ConnectError::from(error).at(self.login.place))?;
        Ok(Some(supported.flatten().unwrap_or(HashAlg::Sha512)))
    }

    fn is_tried(&mut self, key: &PublicKey, name: &str) -> bool {
        if self.tried.contains(key.key_data()) {
            return true;
        }
        self.tried.push(key.key_data().clone());
        self.names.push(format!("{name} ({})", key.algorithm()));
        false
    }

    fn judge(&mut self, result: &AuthResult) -> Next {
        let AuthResult::Failure { remaining_methods, partial_success } = result else { return Next::LoggedIn };
        self.methods = method_names(remaining_methods);
        let more = remaining_methods.contains(&MethodKind::PublicKey) && !partial_success && !self.handle.is_closed();
        if more && self.tried.len() < ATTEMPTS { Next::TryMore } else { Next::GiveUp }
    }

    fn timeout(&self) -> ConnectError {
        ConnectError::Timeout { address: self.login.place.to_owned(), stage: "authentication", after: ATTEMPT }
    }

    fn refused(self) -> ConnectError {
        match self.locked {
            Some((path, reason)) => ConnectError::KeyPassphrase { path, reason },
            None => ConnectError::AuthenticationRefused {
                user: self.login.user.to_owned(),
                host: self.login.place.to_owned(),
                methods: self.methods,
                keys: self.names,
            },
        }
    }
}

fn method_names(methods: &MethodSet) -> Vec<String> {
    methods.iter().map(String::from).collect()
}
