//! The graph of a rollback: what runs changed goes back to what it was, in an order that keeps the cluster alive or ends it in order.

mod cluster;
mod gates;
mod host;
mod item;
mod sweeps;
mod warnings;

pub use cluster::{UndoInputs, undo};
pub use warnings::irreversible;
