//! One file per verb.

mod agent;
mod hosts;
mod kubeconfig;
#[cfg(feature = "lab")]
pub(crate) mod lab;
#[cfg(feature = "lab")]
mod lab_artifacts;
#[cfg(feature = "lab")]
mod lab_demo;
mod probe;
mod reference;
mod run;
mod status;
mod up;
mod validate;

pub(crate) use run::run;
