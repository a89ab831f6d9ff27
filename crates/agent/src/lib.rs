//! The process that runs on each host, and the operator's side of the conversation with it.
//!
//! The agent reads framed requests from standard input and answers on standard output; every change is journalled before it is made.

mod apply;
mod client;
mod dead_man;
mod error;
mod etcd;
mod handle;
mod haproxy;
mod inspect;
mod journal;
mod kube_calls;
mod kube_change;
mod kube_removal;
mod ledger;
mod lock;
mod message;
mod peers;
mod probe;
mod pull;
mod reach;
mod restore;
mod serve;
mod session;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{AgentClient, AgentHello, StderrTail};
pub use dead_man::take_back;
pub use error::AgentError;
pub use journal::{Ending, NodeFormer, Record, read_journal};
pub use message::{
    Applied, ApplyRequest, ArmRequest, BackendServer, DiskUse, EtcdMember, FetchRequest, Fetched, HaproxyCommand, HostRun, HostRuns,
    KubeAnswer, KubeCall, KubeChange, KubeChangeRequest, LockAnswer, LockRequest, OfferRequest, OpenIntent, Peer, ReachAnswer, ReachCall,
    RestoreRequest, SnapshotInfo, UndoAnswer,
};
pub use peers::PEER_PORT;
pub use probe::wait_for_dns;
pub use serve::{ServeError, ServeOptions, serve};
pub use wire::{CHUNK, Hello, PROTOCOL, WireError};
