//! Configuration files, units and cluster objects as text: pure functions of the cluster, its release and a host.
//!
//! Same input, same bytes. Secrets are not rendered here; files refer to the paths where `pki` puts them.

mod apiserver;
mod apiserver_config;
mod args;
mod component;
mod containerd;
mod control;
mod etcd;
mod flannel;
mod gateway;
mod haproxy;
mod header;
mod host;
mod keepalived;
mod kube_proxy;
mod kubelet;
mod needs;
mod objects;
mod paths;
mod registries;
mod settings;
mod unit;
mod watchdog;
mod yaml;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use component::{RenderFacts, component_files};
pub use gateway::{is_of_metrics_gateway, metrics_gateway_unit};
pub use host::{directories, host_files, kernel_modules, sysctls};
pub use keepalived::{DeployedBalancer, KEEPALIVED_FILE, deployed_balancer};
pub use needs::{BinaryNeed, ImageNeed, binaries, images, needed_images, packages};
pub use objects::{Objects, objects};
pub use paths::CERTS_D;
pub use registries::{is_named_by_hosts_toml, registry_paths};
pub use settings::{Setting, dns_settings, settings};
pub use watchdog::{WATCHDOG_ATTEMPTS, WATCHDOG_FILES, WATCHDOG_STATE, WATCHDOG_TIMER, WATCHDOG_WINDOW_SECONDS};
