//! The process that runs on each host, and the operator's side of the conversation with it.
//!
//! The agent reads framed requests from standard input and answers on standard output; every change is journalled before it is made.

mod apply;
mod client;
mod error;
mod etcd;
mod journal;
mod kube_calls;
mod message;
mod probe;
mod serve;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{AgentClient, AgentHello, StderrTail};
pub use error::AgentError;
pub use journal::{Ending, Record, read_journal};
pub use message::{Applied, ApplyRequest, EtcdMember, KubeAnswer, KubeCall, OpenIntent};
pub use probe::wait_for_dns;
pub use serve::{ServeError, ServeOptions, serve};
pub use wire::{CHUNK, Hello, PROTOCOL, WireError};
