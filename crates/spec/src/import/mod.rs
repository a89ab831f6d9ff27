//! Reads what other installers' users have: an Ansible inventory (kubeasz, kubespray) or a k0sctl.yaml.

mod ansible;
mod cluster_settings;
mod entry;
mod groups;
mod host_pattern;
mod ini;
mod inventory_yaml;
mod k0sctl;
mod login;
mod meaning;
mod naming;
mod roles;
mod sources;
mod value;
mod variables;

pub use entry::{ImportErrors, Imported, Inventory, Scope, VariableFile, import};
