//! Ports and kinds of packets that components use: what for, and which setting needs them.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

const DATA: &str = include_str!("../../../catalog/ports.toml");

/// One port, range of ports or kind of packet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PortEntry {
    /// Stable name, such as `etcd-peer`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// `tcp`, `udp`, `icmp`, `vrrp` or `any`.
    pub protocol: String,
    /// The port; a word in capitals for what the cluster file sets; empty for protocols without ports.
    pub ports: String,
    /// How far the packets go.
    pub scope: PortScope,
    /// What the packets are for.
    pub purpose: PortPurpose,
    /// The component and its flag or field, or the cluster file's field.
    pub needed_by: String,
    /// Where the fact comes from.
    pub source: String,
}

/// How far packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortScope {
    /// From machine to machine.
    Network,
    /// To and from pods.
    Pods,
    /// Never off the host.
    Loopback,
}

/// What packets are for, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortPurpose {
    /// In English.
    pub en: String,
    /// In simplified Chinese.
    pub zh: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    port: Vec<PortEntry>,
}

static PORTS: LazyLock<Vec<PortEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/ports.toml is embedded and a test parses it").port);

/// All entries, in the order of the file.
pub fn ports() -> &'static [PortEntry] {
    &PORTS
}

/// The entry with `id`.
pub fn port(id: &str) -> Option<&'static PortEntry> {
    PORTS.iter().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_is_whole_and_its_id_its_own() {
        let entries = toml::from_str::<Table>(DATA).unwrap().port;
        let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.len(), entries.len());
        for entry in &entries {
            assert!(entry.purpose.en.ends_with('.') && entry.purpose.zh.ends_with('。'), "{}", entry.id);
            assert!(["tcp", "udp", "icmp", "vrrp", "any"].contains(&entry.protocol.as_str()), "{}", entry.id);
            assert!(!entry.title.is_empty() && !entry.needed_by.is_empty() && !entry.source.is_empty(), "{}", entry.id);
            let settings = ["", "SSH", "API", "NODE-PORTS"];
            assert!(settings.contains(&entry.ports.as_str()) || entry.ports.parse::<u16>().is_ok(), "{}", entry.id);
        }
    }

    #[test]
    fn entries_are_found_by_id() {
        assert_eq!(port("etcd-peer").unwrap().ports, "2380");
        assert_eq!(port("kubelet-health").unwrap().scope, PortScope::Loopback);
        assert!(port("telnet").is_none());
    }
}
