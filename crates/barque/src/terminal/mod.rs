//! Everything that a person sees.

pub(crate) mod addons;
pub(crate) mod bundle;
pub(crate) mod bundle_serve;
mod byte_progress;
mod diff;
mod explain;
mod failure;
mod firewall;
pub(crate) mod firewall_apply;
pub(crate) mod history;
mod lines;
mod live;
mod network;
mod preview;
mod preview_summary;
mod print;
mod prompt;
mod questions;
pub(crate) mod reach;
pub(crate) mod rollback;
mod stages;
mod watcher;

pub(crate) use byte_progress::ByteProgress;
pub(crate) use diff::{content_lines, content_words, printable};
pub(crate) use explain::{Answer, Here, explain_list, explain_overview, explain_text};
pub(crate) use failure::{print_error, print_failure, print_fault, segment_text};
pub(crate) use firewall::flow_table;
pub(crate) use lines::{Lines, plain, timed};
pub(crate) use network::network_text;
pub(crate) use preview::preview_text;
pub(crate) use preview_summary::many;
pub(crate) use print::{note, print_json, say, table, warn_all};
pub(crate) use prompt::TerminalPrompt;
pub(crate) use questions::{Questions, on_terminal};
pub(crate) use stages::{stages, stages_text};
pub(crate) use watcher::Watcher;
