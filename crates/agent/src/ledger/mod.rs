//! The ledger: what barque manages on this host, folded from the host's journals whenever it is asked for.
//!
//! A change makes a new state of a resource or cluster object; a rollback to before run R makes the state of before the first change by R or
//! a later run again, without making what happened since unhappened: a rollback can itself be taken back.

mod base;
mod cluster;
mod fold;
mod prune;
mod runs;
#[cfg(test)]
mod tests;
mod timeline;

pub(crate) use base::read;
pub(crate) use fold::Ledger;
pub(crate) use prune::prune;
