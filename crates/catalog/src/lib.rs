//! What belongs to a Kubernetes release, and what the flags that barque sets mean. The data lie in `catalog/` at the root of the repository.

mod flags;
mod releases;

pub use flags::{Entry, EntryKind, component_entries, entry, missing_flags};
pub use releases::{UnknownRelease, release, supported};
