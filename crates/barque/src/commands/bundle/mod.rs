//! `barque bundle`: one file per verb, or for two that are short.

mod choice;
mod compare;
#[cfg(feature = "lab")]
mod create;
mod pack;
mod prune;
mod run;
mod show;
mod sign;
mod verify;

pub(crate) use run::run;
