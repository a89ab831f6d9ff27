//! Whether the network between hosts lets the matrix through: which questions that is, what is sent for each, and what follows from what
//! arrived. Pure; hosts send and listen.

mod judge;
mod question;
mod report;
mod search;
mod wire;

pub use judge::{Evidence, judge};
pub use question::{Question, Questions, questions};
pub use report::{Blocked, Direction, Fault, ReachReport, Untested};
pub use search::Search;
pub use wire::{Attempt, Carrier, Heard, Listen, Listening, Outcome, SMALL};
