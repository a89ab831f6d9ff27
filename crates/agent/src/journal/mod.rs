//! The write-ahead journal of a run on its host: `/var/lib/barque/journal/<run>.jsonl`.
//!
//! An intent, with what undo needs, is on disk before the change begins. Outcomes follow within 50 ms: losing one in a crash means
//! that the resource is observed once more.

mod read;
mod record;
mod write;

pub use read::read_journal;
pub(crate) use read::{OpenChange, is_open, names, place, scan};
pub use record::{Ending, NodeFormer, Record};
pub(crate) use write::Journal;
