//! Tools for the end-to-end scenarios. They drive the built `barque` program as a person would and look at the hosts from outside.

mod caller;
mod cluster_file;
mod command;
mod end_state;
mod flight;
mod journal;
mod kill;
mod kubectl;
mod lab;
mod listing;
mod objects;
mod processes;
mod running;
mod scenario;
mod together;
mod topology;

pub use caller::{Caller, Calls};
pub use cluster_file::ClusterFile;
pub use command::{Finished, finish, run};
pub use end_state::EndState;
pub use flight::{Flight, Report, fly};
pub use journal::{Change, Mark, Tails, changes, journals, once_only, resource_id};
pub use kill::{Moment, Point, Target, points};
pub use kubectl::Kubectl;
pub use lab::{Lab, LabHost};
pub use listing::{Listing, Scope};
pub use objects::objects;
pub use processes::{Kind, kill_on, processes};
pub use running::{Running, title_of};
pub use scenario::{Scenario, eventually};
pub use together::together;
pub use topology::topology;
