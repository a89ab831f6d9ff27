//! The port matrix of a cluster: every flow of packets that it needs, worked out from its configuration. Tables for the network team and rules for
//! each host's packet filter are made from it, and from nothing else.

mod build;
mod firewalld;
mod flow;
mod iptables;
mod matrix;
mod nftables;
mod reach;
mod row;
mod rule;
mod rule_set;
mod segment;
mod service;
mod table;

pub use flow::{Flow, FlowId, Party, Passage, Protocol, UnknownFlow};
pub use matrix::{Matrix, matrix};
pub use reach::{
    Attempt, Blocked, Carrier, Direction, Evidence, Fault, Heard, Listen, Listening, Outcome, Question, Questions, ReachReport, SMALL,
    Search, Untested, judge, questions,
};
pub use row::{Group, Row, rows};
pub use rule_set::{FIREWALL_FOLDER, FIREWALL_SCRIPT, RuleSet, rule_set};
pub use segment::{DEFAULT_PREFIX, Segments, segments};
pub use service::{FIREWALL_UNIT, service};
pub use table::{Language, csv, markdown};
