//! `barque addons`: what runs in the cluster beside Kubernetes itself.

mod change;
mod look;
mod run;

pub(crate) use run::run;
