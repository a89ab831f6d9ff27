//! What belongs to a Kubernetes release, and what everything that barque sets, opens, writes and checks means. The data lie in `catalog/` at the
//! root of the repository.

mod certificates;
mod changes;
mod checks;
mod explanation;
mod files;
mod flags;
mod item;
mod label;
mod minor;
mod minors;
mod pages;
mod ports;
mod releases;
mod search;
mod stages;
mod subject;
mod text;
mod topics;

pub use certificates::{CertificateEntry, certificates};
pub use changes::{ChangeEntry, changes};
pub use checks::{CheckEntry, CheckText, check, checks};
pub use explanation::{Explanation, Part};
pub use files::{FileEntry, FileKind, file, files};
pub use flags::{Entry, EntryKind, component_entries, entries, entry, missing_flags};
pub use item::{FieldEntry, Item, ItemKind, items};
pub use label::Label;
pub use minor::{InvalidMinor, Minor};
pub use minors::{MinorEntry, UnknownMinor, minor, minor_range, minors};
pub use pages::{ReferencePage, reference_pages};
pub use ports::{PortEntry, PortPurpose, PortScope, port, ports};
pub use releases::{UnknownRelease, release, supported};
pub use search::{Found, search};
pub use stages::{StageEntry, stages};
pub use subject::Subject;
pub use text::{Language, Text, UnknownLanguage};
pub use topics::{TopicEntry, topics};
