//! The dead-man switch: what a run changed is taken back unless a new connection confirms it in time.
//!
//! The truth is a file, `/var/lib/barque/dead-man.json`: as long as it is there, the host takes the run back, by a systemd timer or, should
//! the host start again first, early in its boot. The timer's program restores from the host's own journals, in a run of its own; it
//! needs neither network nor operator. Whoever confirms removes the file first and the timer then, so that no end of a process in
//! between leaves a change that is confirmed and taken back, or neither.

mod switch;
mod take_back;
mod wire;

pub(crate) use switch::blocks;
pub use take_back::take_back;
pub(crate) use wire::{arm, confirm, fire};

/// Arguments of this program with which it takes a run back.
const ARGUMENTS: &str = "agent --take-back";
