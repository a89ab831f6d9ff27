//! Runs barque's verbs: reads the cluster file, talks to every host, plans and executes. The only crate that knows all below it.

mod artifacts;
mod context;
mod error;
mod events;
mod execute;
mod hosts;
mod material;
mod observe;
mod prepare;
mod run_step;
mod sessions;
mod status;
mod up;

pub use context::{AskPassword, Context, Options};
pub use error::EngineError;
pub use events::{EventReader, Events};
pub use hosts::{HostRow, host_rows};
pub use prepare::Prepared;
pub use sessions::{HostProblem, Sessions};
pub use status::{CertificateStatus, ClusterStatus, ComponentStatus, EtcdStatus, HostStatus, status};
pub use up::{PathStep, UpReport, kubeconfig, up};
