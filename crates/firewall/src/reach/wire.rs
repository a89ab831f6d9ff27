//! What hosts are asked to send and to listen for, and what they say of it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Bytes of a small packet, with its IP header: fits through everything.
pub const SMALL: u16 = 64;

/// What carries a packet of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// IP protocol 112.
    Vrrp,
}

impl fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Vrrp => "vrrp",
        })
    }
}

/// Where a host listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listen {
    /// For what.
    pub carrier: Carrier,
    /// The port; 0 for what has none.
    pub port: u16,
}

/// Whether a host listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listening {
    /// It does.
    Ready,
    /// A program of the host has the TCP port, and answers for itself.
    InUse,
    /// It cannot.
    Failed(String),
}

/// A packet, or a connection, from one host to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Tells it from every other of the same test.
    pub nonce: u64,
    /// What carries it.
    pub carrier: Carrier,
    /// Address of the other host.
    pub to: IpAddr,
    /// Its port; 0 for what has none.
    pub port: u16,
    /// Bytes of each packet with its IP header, never fragmented: [`SMALL`] at least. TCP sends several of this size, in both directions;
    /// `None` lets TCP choose.
    pub size: Option<u16>,
    /// Whether the other host answers.
    pub answer: bool,
    /// For TCP: whether a program of the other host has the port, so that to be connected is all that can be had.
    pub in_use: bool,
}

/// What the host that sent saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The answer came, of the size that was asked for.
    Answered,
    /// It was sent, and nothing came back; nothing may have been expected.
    Silent,
    /// The connection is there, and long packets in it are not answered.
    Stalled,
    /// The connection was refused.
    Refused,
    /// Something on the way said no.
    Unreachable(String),
    /// Longer than what the host's own interface takes.
    TooLong,
    /// It could not be sent.
    Failed(String),
}

/// What the host that listened saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The nonces that arrived: datagrams whole, connections with their first words.
    pub nonces: BTreeSet<u64>,
    /// Connections in which all long packets arrived.
    pub whole: BTreeSet<u64>,
    /// Connections that the other side began and did not complete: its address and the port here.
    pub half_open: BTreeSet<(IpAddr, u16)>,
    /// Longest packet that the interface with the host's address sends, in bytes.
    pub mtu: u16,
}
