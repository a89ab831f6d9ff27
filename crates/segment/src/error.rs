//! Why a segment could not be looked at.

use std::io;
use std::net::IpAddr;

/// Why a segment could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The interfaces cannot be listed.
    #[error("the network interfaces cannot be listed")]
    Interfaces(#[source] io::Error),
    /// The named interface does not exist.
    #[error("there is no interface `{0}`")]
    NoInterface(String),
    /// No interface has the address.
    #[error("no interface has the address {0}")]
    NoAddress(IpAddr),
    /// The interface has no hardware address of six bytes, so nobody can be asked there.
    #[error("interface `{0}` is no Ethernet")]
    NotEthernet(String),
    /// The socket cannot be used.
    #[error("frames on `{interface}` cannot be {what}")]
    Socket {
        /// The interface.
        interface: String,
        /// What was wanted: `received` or `sent`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl SegmentError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Interfaces(_) => "look at `ip link` on the host",
            Self::NoInterface(_) | Self::NoAddress(_) => {
                "compare `ip address` on the host with `address` and `spec.loadBalancer.interface` in the cluster file"
            }
            Self::NotEthernet(_) => "name an Ethernet interface in `spec.loadBalancer.interface`; `ip link` on the host lists them",
            Self::Socket { .. } => "see with `ip link` on the host that the interface is up; packet sockets need root and CAP_NET_RAW",
        }
    }

    /// The message with its causes.
    pub fn chain(&self) -> String {
        match self {
            Self::Interfaces(source) | Self::Socket { source, .. } => format!("{self}: {source}"),
            Self::NoInterface(_) | Self::NoAddress(_) | Self::NotEthernet(_) => self.to_string(),
        }
    }
}
