//! Who gets which content from whom: from the operator's machine, or from a host that has it already.

mod schedule;
#[cfg(test)]
mod schedule_tests;
mod turns;

pub(crate) use schedule::Source;
pub(crate) use turns::{Spread, Turn};
