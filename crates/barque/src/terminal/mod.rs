//! Everything that a person sees.

mod diff;
mod failure;
pub(crate) mod history;
mod lines;
mod live;
mod preview;
mod preview_summary;
mod print;
mod prompt;
pub(crate) mod rollback;
mod watcher;

pub(crate) use diff::{content_lines, content_words, printable};
pub(crate) use failure::{print_error, print_failure};
pub(crate) use lines::{Lines, plain, timed};
pub(crate) use preview::preview_text;
pub(crate) use preview_summary::many;
pub(crate) use print::{note, print_json, say, table, warn_all};
pub(crate) use prompt::TerminalPrompt;
pub(crate) use watcher::Watcher;
