//! What a test of the network came to.

use std::fmt;

use barque_model::HostName;
use serde::{Deserialize, Serialize};

use super::wire::Carrier;
use crate::flow::FlowId;

/// What a test of the network came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReachReport {
    /// Questions that were answered: a source, a destination, a protocol and a port each.
    pub tested: usize,
    /// Those of them that do not get through.
    pub blocked: Vec<Blocked>,
    /// What could not be tested.
    pub untested: Vec<Untested>,
}

/// Packets that do not get through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The flows that need them.
    pub flows: Vec<FlowId>,
    /// Who begins.
    pub from: HostName,
    /// Who is to be reached.
    pub to: HostName,
    /// Protocol.
    pub protocol: Carrier,
    /// Port of the destination; `None` for what has none.
    pub port: Option<u16>,
    /// How they fail.
    pub fault: Fault,
}

/// How packets fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fault {
    /// They do not arrive.
    RequestLost,
    /// They arrive, and the answer does not come back.
    AnswerLost,
    /// The connection is refused, although somebody listens.
    Refused,
    /// Something on the way says so.
    Unreachable {
        /// Its words.
        message: String,
    },
    /// Short packets pass and long ones do not.
    TooLong {
        /// In which direction.
        direction: Direction,
        /// Bytes of a packet, with its IP header, that must pass without being cut.
        full: u16,
        /// The longest that passes; `None` when it was not found.
        largest: Option<u16>,
    },
}

/// A direction between two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// From the source to the destination.
    Request,
    /// Back.
    Answer,
}

/// What could not be tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Untested {
    /// The flows.
    pub flows: Vec<FlowId>,
    /// Who would begin; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<HostName>,
    /// Who would be reached; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<HostName>,
    /// Why not.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestLost => formatter.write_str("does not arrive"),
            Self::AnswerLost => formatter.write_str("arrives; the answer does not come back"),
            Self::Refused => formatter.write_str("refused on the way"),
            Self::Unreachable { message } => write!(formatter, "refused on the way: {message}"),
            Self::TooLong { direction, full, largest } => {
                let what = match direction {
                    Direction::Request => "packets",
                    Direction::Answer => "answers",
                };
                match largest {
                    Some(largest) => write!(formatter, "{what} of {full} bytes are lost; {largest} pass"),
                    None => write!(formatter, "{what} of {full} bytes are lost; short ones pass"),
                }
            }
        }
    }
}
