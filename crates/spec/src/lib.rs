//! Reads a cluster file, finds everything that is wrong with it, and resolves it into a [`barque_model::Cluster`].
//!
//! The text becomes a tree in which each value knows its place (`yaml`); the JSON Schema, derived from the types in `file`, says which fields,
//! types and words are right (`structure`); what is left is decoded (`decode`) and its meaning checked (`resolve` and its neighbours).
//! No step stops the next one, so one run reports every fault.

mod arguments;
mod balancer;
mod cidr;
mod decode;
mod excerpt;
mod field;
mod file;
mod file_host;
mod file_settings;
mod hosts;
mod keys;
mod labels;
mod load;
mod network;
mod owned;
mod ports;
mod quantity;
mod reference;
mod report;
mod resolve;
mod scalar;
mod schema;
mod settings;
mod ssh;
mod structure;
mod topology;
mod yaml;

pub use keys::resolve_key_paths;
pub use load::{Known, Loaded, parse};
pub use reference::reference_markdown;
pub use report::{Findings, Problem, SpecErrors};
pub use schema::schema;
