//! Reads a cluster file, finds everything that is wrong with it, and resolves it into a [`barque_model::Cluster`].
//!
//! The text becomes a tree in which each value knows its place (`yaml`); the JSON Schema, derived from the types in `file`, says which fields,
//! types and words are right (`structure`); what is left is decoded (`decode`) and its meaning checked (`resolve` and its neighbours).
//! No step stops the next one, so one run reports every fault.
//!
//! The other way round, `outline` writes a commented cluster file from what is known of a cluster, and `import` learns that from other
//! installers' inventories.

mod addon_edit;
mod addons;
mod arguments;
mod balancer;
mod checks;
mod cidr;
mod decode;
mod excerpt;
mod field;
mod field_list;
mod file;
mod file_addons;
mod file_checks;
mod file_firewall;
mod file_host;
mod file_registries;
mod file_settings;
mod firewall;
mod hosts;
mod image_reference;
mod import;
mod keys;
mod labels;
mod load;
mod network;
mod operator_files;
mod outline;
mod owned;
mod pem;
mod ports;
mod quantity;
mod reference;
mod registries;
mod registry_access;
mod registry_address;
mod report;
mod resolve;
mod scalar;
mod schema;
mod settings;
mod ssh;
mod structure;
mod topology;
mod written;
mod yaml;

pub use addon_edit::{AddonChange, AddonEditRefusal, change_addon};
pub use addons::addon_sources;
pub use field_list::{FieldDescription, fields, owned_flag};
pub use import::{ImportErrors, Imported, Inventory, Scope, VariableFile, import};
pub use keys::resolve_key_paths;
pub use load::{Known, Loaded, Surroundings, parse, parse_with};
pub use operator_files::{FileFault, NoFiles, OperatorFile, OperatorFiles};
pub use outline::{HostAddress, Outline, OutlineError, OutlineHost, OutlineJump, OutlineSsh, parse_hosts};
pub use reference::reference_markdown;
pub use report::{Findings, Problem, SpecErrors};
pub use schema::schema;
pub use written::{Written, written};
