//! One file per verb.

mod agent;
mod changing;
mod drift;
mod hosts;
mod kubeconfig;
#[cfg(feature = "lab")]
pub(crate) mod lab;
#[cfg(feature = "lab")]
mod lab_artifacts;
#[cfg(feature = "lab")]
mod lab_demo;
mod plan;
mod probe;
mod reference;
mod rollback;
mod run;
mod runs;
mod status;
mod up;
mod validate;

pub(crate) use run::run;
