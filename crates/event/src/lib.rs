//! The typed event stream that every reader of a run shares, and the exit codes.

mod event;
pub mod exit;
mod failure;
mod stage;

pub use event::{EventKind, RunEvent, RunOutcome, StepOutcome};
pub use failure::Failure;
pub use stage::Stage;
