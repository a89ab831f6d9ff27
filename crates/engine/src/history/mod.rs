//! `runs`: what was done, by whom, what of it can still be undone, and what each run changed.

mod changes;
mod detail;
pub(crate) mod local;
mod overview;

pub use changes::{changed_resources, planned_steps};
pub use detail::{ChangeResult, Former, HostChanges, ResourceChange, RunDetail, run_detail};
pub use local::{HistoryError, run_spec};
pub use overview::{History, HostSpace, RunResult, RunRow, Undoable, history};
