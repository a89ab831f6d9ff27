//! `barque init`: writes a cluster file.

mod collect;
mod fault;
mod inquire;
mod inventory;
mod ranges;
mod verb;

pub(super) use verb::run;
