//! `rollback`: takes runs back, from what the hosts themselves have kept.
//!
//! Nothing is rendered and nothing is downloaded: the cluster file gives addresses and roles of the hosts, their journals the rest.

mod access;
mod etcd;
mod failure;
mod files;
mod gather;
mod kube;
mod request;
mod run;
mod summary;

pub use request::{RollbackError, RollbackReport, RollbackRequest};
pub use run::rollback;
pub use summary::HostUndo;
