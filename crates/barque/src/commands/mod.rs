//! One file per verb.

mod addons;
mod agent;
mod asking;
mod bundle;
mod changing;
mod check;
mod drift;
mod explain;
mod firewall;
mod firewall_apply;
mod firewall_test;
mod hosts;
mod images;
mod init;
mod kubeconfig;
#[cfg(feature = "lab")]
pub(crate) mod lab;
#[cfg(feature = "lab")]
pub(crate) mod lab_artifacts;
#[cfg(feature = "lab")]
mod lab_demo;
mod metrics_gateway;
mod network;
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
