//! Settings of the add-on `dns`, whose objects barque renders itself.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::{AddonOrigin, Cluster};

const DNS: &str = "dns";
/// The add-on that answers pods on their own node.
const DNS_CACHE: &str = "dns-cache";

/// How the cluster's own DNS is set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsSettings {
    /// Number of pods; 0 grows with the cluster.
    pub replicas: usize,
    /// Nodes that one pod serves when it grows with the cluster.
    pub nodes_per_replica: usize,
    /// Seconds that answers about names outside of the cluster are kept at most.
    pub cache_seconds: u32,
    /// Servers for names outside of the cluster; empty for those of the node.
    pub forward: Vec<String>,
    /// Domains with servers of their own.
    pub stub_domains: Vec<StubDomain>,
}

/// A domain with DNS servers of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StubDomain {
    /// The domain.
    pub domain: String,
    /// Addresses of the servers, with a port or without.
    pub servers: Vec<String>,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { replicas: 0, nodes_per_replica: 16, cache_seconds: 30, forward: Vec::new(), stub_domains: Vec::new() }
    }
}

impl Cluster {
    /// The settings of the add-on `dns`; the defaults where a cluster of an earlier file names none.
    pub fn dns_settings(&self) -> DnsSettings {
        let settings = self.addons.iter().find(|addon| addon.name.as_str() == DNS).map(|addon| addon.settings.clone());
        settings.and_then(|settings| serde_json::from_value(settings).ok()).unwrap_or_default()
    }

    /// Where pods of every node find the DNS cache of barque's own add-on; `None` without it.
    pub fn dns_cache(&self) -> Option<Ipv4Addr> {
        let ours = self.addons.iter().find(|addon| addon.name.as_str() == DNS_CACHE && addon.origin == AddonOrigin::Barque)?;
        ours.settings["address"].as_str()?.parse().ok()
    }
}
