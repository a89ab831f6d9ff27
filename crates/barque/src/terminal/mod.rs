//! Everything that a person sees.

mod failure;
mod live;
mod print;
mod prompt;
mod watcher;

pub(crate) use failure::{print_error, print_failure};
pub(crate) use print::{note, print_json, say, table, warn_all};
pub(crate) use prompt::TerminalPrompt;
pub(crate) use watcher::Watcher;
