//! What barque asks of a Kubernetes API server: is it ready, what are its nodes, would this object change, make it so, take it back.
//!
//! The only crate that knows the `kube` library. Every call has a time limit and answers with a [`KubeError`] whose variant says
//! what kind of trouble it is; waiting and trying again are the caller's business.

mod client;
mod deployment;
mod error;
mod former;
mod kind;
mod namespace;
mod node;
mod object;
mod pod;
#[cfg(test)]
mod testing;
mod trouble;

pub use client::{CONNECT_TIMEOUT, Client, FIELD_MANAGER, READ_TIMEOUT, ready_anonymous};
pub use error::KubeError;
pub use node::NodeChange;
