//! `barque bundle`: one file per verb, or for two that are short.

mod choice;
mod compare;
#[cfg(feature = "lab")]
mod create;
mod images;
mod pack;
mod prune;
mod registry;
mod run;
mod serve;
mod show;
mod sign;
mod verify;

pub(crate) use images::push_images;
pub(crate) use registry::{chosen, local};
pub(crate) use run::run;
