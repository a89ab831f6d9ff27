//! A test of the network between hosts.

use std::net::IpAddr;

use barque_firewall::{Attempt, Heard, Listen, Listening, Outcome};
use serde::{Deserialize, Serialize};

/// Something asked of a host during a test of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReachCall {
    /// Listens from now on, until [`Self::End`] or the end of the connection.
    Listen {
        /// The host's address.
        address: IpAddr,
        /// Where.
        places: Vec<Listen>,
    },
    /// Sends to other hosts, all at the same time.
    Attempt {
        /// The host's address.
        source: IpAddr,
        /// What.
        attempts: Vec<Attempt>,
    },
    /// Tells what was heard so far.
    Heard,
    /// Stops listening.
    End,
}

/// A host's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReachAnswer {
    /// Whether it listens, in the order asked.
    Listening(Vec<Listening>),
    /// What became of the attempts, in the order asked.
    Outcomes(Vec<Outcome>),
    /// What it heard.
    Heard(Heard),
    /// It does not listen any more.
    Ended,
}
