//! Why a connection to a host cannot be had.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a host cannot be reached by SSH, or why a command cannot be started there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing answers, or the connection breaks before it is usable.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system or the peer says.
        cause: String,
    },
    /// The name does not resolve.
    #[error("name `{name}` does not resolve")]
    NameNotFound {
        /// The name.
        name: String,
    },
    /// No answer in time.
    #[error("{address} does not answer within {} s ({stage})", after.as_secs())]
    Timeout {
        /// Host and port.
        address: String,
        /// `connect`, `handshake` or `authentication`.
        stage: &'static str,
        /// The limit.
        after: Duration,
    },
    /// No known_hosts file names the host.
    #[error("host key of {host} is not known{}", parenthesis(fingerprint.as_deref()))]
    HostKeyUnknown {
        /// Its name as in known_hosts.
        host: String,
        /// `SHA256:…` of the key that it shows; the system's `ssh` does not tell.
        fingerprint: Option<String>,
    },
    /// The host shows another key than the known one: a new machine, or somebody in between.
    #[error("host key of {host} has changed: known is {} (`{file}` line {line}), it shows {}", expected.join(", "), got.as_deref().unwrap_or("another key"))]
    HostKeyChanged {
        /// Its name as in known_hosts.
        host: String,
        /// Fingerprints of the known keys, each after its type.
        expected: Vec<String>,
        /// Fingerprint of the key that it shows.
        got: Option<String>,
        /// The file that holds the known key.
        file: PathBuf,
        /// Its line there, from 1; 0 if not told.
        line: usize,
    },
    /// A known_hosts file marks the key as revoked.
    #[error("host key of {host} is revoked{}", parenthesis(place.as_deref()))]
    HostKeyRevoked {
        /// Its name as in known_hosts.
        host: String,
        /// File and line of the mark.
        place: Option<String>,
    },
    /// The host shows a certificate that cannot be trusted, and its bare key is not known.
    #[error("host certificate of {host} is not valid: {reason}")]
    HostCertificate {
        /// Its name as in known_hosts.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A known_hosts file exists and cannot be used.
    #[error("cannot use known hosts file `{path}`")]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No key was accepted.
    #[error("{host} refuses user `{user}`: tried {}; it accepts {}", list(keys, "no key"), list(methods, "nothing more"))]
    AuthenticationRefused {
        /// Login user.
        user: String,
        /// Host and port.
        host: String,
        /// Methods that the host would still accept.
        methods: Vec<String>,
        /// Keys that were offered.
        keys: Vec<String>,
    },
    /// A private key file cannot be used.
    #[error("cannot use private key `{path}`: {reason}")]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A private key file needs a passphrase that nobody gave, or a wrong one was given.
    #[error("private key `{path}` is encrypted: {reason}")]
    KeyPassphrase {
        /// The file.
        path: PathBuf,
        /// Whether none or a wrong one was given.
        reason: &'static str,
    },
    /// The host on the way failed.
    #[error("jump host {via} fails")]
    Jump {
        /// Its host and port.
        via: String,
        /// How.
        #[source]
        source: Box<ConnectError>,
    },
    /// `ssh_config` asks for what the in-process transport cannot do.
    #[error("{what} in the SSH configuration of {host} needs the system's ssh")]
    Unsupported {
        /// The host.
        host: String,
        /// The keyword.
        what: &'static str,
    },
    /// The connection stands and the host starts no command.
    #[error("{host} starts no command: {reason}")]
    Start {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The peer does not speak SSH as expected, or has no algorithm in common with barque.
    #[error("SSH with {address} fails: {reason}")]
    Protocol {
        /// Host and port.
        address: String,
        /// How.
        reason: String,
    },
    /// The system's `ssh` program cannot be run.
    #[error("cannot run `{program}`")]
    Program {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn parenthesis(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

fn list(words: &[String], none: &str) -> String {
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

impl ConnectError {
    /// Whether the same attempt can succeed a moment later. Refused keys and host keys are never retried: the server would count them,
    /// and the answer would be the same.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Jump { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// What to do about it, naming a command.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { address, .. } | Self::Timeout { address, .. } => {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, "22"));
                format!(
                    "check that the host is up, that sshd listens there and that no firewall is in between: `ssh -v -p {port} {}`",
                    host.trim_matches(['[', ']'])
                )
            }
            Self::NameNotFound { name } => format!("`getent hosts {name}` must print an address; or write the address in the cluster file"),
            Self::HostKeyUnknown { host, .. } => format!(
                "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on {host}, then run the same command with `--accept-new-host-keys`"
            ),
            Self::HostKeyChanged { host, file, .. } => format!(
                "if the host was installed anew, `ssh-keygen -R '{host}' -f '{}'` forgets the old key, then `--accept-new-host-keys` takes the new one",
                file.display()
            ),
            Self::HostKeyRevoked { .. } => {
                "give the host a new key with `ssh-keygen -A` after removing the revoked one, and restart sshd".to_owned()
            }
            Self::HostCertificate { .. } => "sign the host's key anew with `ssh-keygen -s CA -h -n NAME -V +52w KEY.pub`".to_owned(),
            Self::KnownHosts { path, .. } => format!("`ls -l '{}'`: it must be readable and writable by you", path.display()),
            Self::AuthenticationRefused { user, host, .. } => {
                format!("put a key into the host with `ssh-copy-id {user}@{}`, or name the right one in `ssh.key`", host_only(host))
            }
            Self::KeyUnreadable { path, .. } => format!("`ssh-keygen -y -f '{}'` must print its public key", path.display()),
            Self::KeyPassphrase { path, .. } => format!("load it into the agent with `ssh-add '{}'`", path.display()),
            Self::Jump { source, .. } => return source.hint(),
            Self::Unsupported { .. } => "set `ssh.transport: system` for the host in the cluster file".to_owned(),
            Self::Start { .. } => {
                "check `MaxSessions`, `ForceCommand` and the login shell: `ssh HOST true` must succeed without output".to_owned()
            }
            Self::Protocol { address, .. } => {
                format!("`ssh -v {}` shows the exchange; `ssh.transport: system` uses that program", host_only(address))
            }
            Self::Program { .. } => "install it with `apt-get install openssh-client`, or set `ssh.transport: builtin`".to_owned(),
        })
    }
}

/// The host of `host:port` or `[address]:port`.
fn host_only(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

impl From<russh::Error> for ConnectError {
    /// For errors inside the session; `at` fills in the address.
    fn from(error: russh::Error) -> Self {
        use russh::Error as E;
        match error {
            E::Disconnect | E::HUP | E::SendError | E::RecvError => {
                Self::Unreachable { address: String::new(), cause: "connection closed by the host".to_owned() }
            }
            E::IO(error) => Self::Unreachable { address: String::new(), cause: error.to_string() },
            E::KeepaliveTimeout | E::InactivityTimeout | E::ConnectionTimeout => {
                Self::Unreachable { address: String::new(), cause: "host stopped answering".to_owned() }
            }
            E::NoCommonAlgo { kind, ours, theirs } => Self::Protocol {
                address: String::new(),
                reason: format!("no {kind:?} algorithm in common: barque has {}, the host {}", ours.join(","), theirs.join(",")),
            },
            other => Self::Protocol { address: String::new(), reason: other.to_string() },
        }
    }
}

impl ConnectError {
    /// Names the peer in an error that came from within the protocol.
    pub(crate) fn at(mut self, peer: &str) -> Self {
        if let Self::Unreachable { address, .. } | Self::Protocol { address, .. } = &mut self
            && address.is_empty()
        {
            peer.clone_into(address);
        }
        self
    }
}
