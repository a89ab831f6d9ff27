//! Tools for the end-to-end scenarios. They drive the built `barque` program as a person would and look at the hosts from outside.

mod cluster_file;
mod command;
mod kubectl;
mod lab;
mod scenario;

pub use cluster_file::ClusterFile;
pub use command::{Finished, run};
pub use kubectl::Kubectl;
pub use lab::{Lab, LabHost};
pub use scenario::{Scenario, eventually};
