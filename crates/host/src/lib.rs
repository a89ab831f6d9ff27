//! Observes and changes this machine: one module per kind of resource. It knows nothing of SSH or of the wire.

mod binary;
mod blob;
mod command;
mod context;
mod directory;
mod error;
mod facts;
mod file;
mod hosts_line;
mod image;
mod marker;
mod owner;
mod package;
mod prepare;
mod prior;
mod replace;
mod resource;
mod space;
mod sysctl;
mod systemd;
mod unit;
mod user;

pub use blob::{BlobRecord, BlobState, blob_state, record_blob, sync_blobs};
pub use command::{Command, CommandError, Output};
pub use context::{HostContext, STATE_DIRECTORY, STORE_DIRECTORY};
pub use error::HostError;
pub use facts::{addresses, facts};
pub use prepare::prepare;
pub use prior::{Prior, capture_prior};
pub use resource::{apply, observe, observe_all};
pub use space::disk_space;
pub use systemd::{journal_tail, unit_instability};
pub use unit::mark_stale;
