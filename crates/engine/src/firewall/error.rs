//! Why a packet filter is not applied.

use barque_event::exit;
use barque_model::{FirewallBackend, HostName};

/// Why a packet filter is not applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirewallError {
    /// The backend's program is missing.
    #[error("{host} has no program `{program}`, which loads rules for {backend}")]
    Program {
        /// The host.
        host: HostName,
        /// The program.
        program: &'static str,
        /// The backend.
        backend: FirewallBackend,
    },
    /// Rules of another backend are there.
    #[error("{host} has rules of barque's for another packet filter than {backend}: `{path}`")]
    Other {
        /// The host.
        host: HostName,
        /// The backend asked for.
        backend: FirewallBackend,
        /// A file of the other one.
        path: String,
    },
    /// Too short a time.
    #[error("{0} s are too short to connect anew; the least is {MINIMUM_SECONDS} s")]
    TooShort(u32),
}

/// A new connection through a jump host, and an agent's start, on a busy host.
pub(super) const MINIMUM_SECONDS: u32 = 10;

impl FirewallError {
    /// The exit code it leads to.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::TooShort(_) => exit::USAGE,
            Self::Program { .. } => exit::FAILED,
            Self::Other { .. } => exit::REFUSED,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Program { backend: FirewallBackend::Nftables, .. } => {
                "install the package `nftables` there, or name a bundle that has it with `--bundle DIR`".to_owned()
            }
            Self::Program { .. } => "install it there, or use `--backend nftables`, whose program barque brings along".to_owned(),
            Self::Other { .. } => "take these away first: `barque firewall remove`; or give their backend with `--backend`".to_owned(),
            Self::TooShort(_) => format!("leave `--confirm-within` out, or give it {MINIMUM_SECONDS} or more"),
        }
    }
}
