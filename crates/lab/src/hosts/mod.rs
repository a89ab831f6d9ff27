//! The hosts of a lab: their disks, network, processes and faults.

mod address;
mod apt;
mod cgroup;
mod claim;
mod disk;
mod error;
mod lab;
mod machine;
mod name;
mod network;
mod process;
mod progress;
pub mod rootfs;
mod shared;
mod state;
mod status;
mod suite;
mod tool;
mod topology;

pub use error::LabError;
pub use lab::Lab;
pub use name::{InvalidLabName, LabName};
pub use progress::{Notice, Progress};
pub use rootfs::{RootfsError, RootfsSpec};
pub use state::Peer;
pub use status::{HostState, HostStatus, LabStatus};
pub use suite::Suite;
pub use tool::ToolError;
pub use topology::{Host, OsRelease, Password, Tmpfs, Topology, TopologyError, User};
