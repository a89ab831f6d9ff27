//! What `init` knows of a cluster, and the cluster file that it becomes.

mod addresses;
mod commented;
mod error;
mod names;
mod scalar;
mod shape;
mod share;
mod write;

pub use addresses::{HostAddress, parse_hosts};
pub use error::OutlineError;
pub use shape::{Outline, OutlineHost, OutlineJump, OutlineSsh};
