//! Certificates, keys and identities that barque issues.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::Text;

const DATA: &str = include_str!("../../../catalog/certificates.toml");

static CERTIFICATES: LazyLock<Vec<CertificateEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/certificates.toml is embedded and a test parses it").certificate);

/// A certificate, key or identity, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CertificateEntry {
    /// Name in `barque explain certificate`, such as `etcd-peer`.
    pub name: String,
    /// Name in the vault and in reports without the host, such as `etcd/peer`.
    pub kind: String,
    /// Files on hosts; a kubeconfig holds certificate and key.
    pub files: Vec<String>,
    /// Who signs it; empty for keys without a certificate.
    pub authority: String,
    /// Subject's common name; `HOST` stands for the host's name.
    #[serde(default)]
    pub common_name: String,
    /// Subject's organization, the group that the API sees.
    #[serde(default)]
    pub organization: Option<String>,
    /// Names and addresses that it is valid for; a word in capitals stands for a value.
    #[serde(default)]
    pub names: Vec<String>,
    /// What it may be used for: `server`, `client`.
    pub usages: Vec<String>,
    /// Days that it lasts; `None` for keys that do not end.
    #[serde(default)]
    pub days: Option<u32>,
    /// On which hosts it lies.
    pub hosts: String,
    /// What it is for.
    pub meaning: Text,
    /// Who reads it.
    pub readers: Text,
    /// What changing it does.
    pub changing: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    certificate: Vec<CertificateEntry>,
}

/// Every entry, authorities first.
pub fn certificates() -> &'static [CertificateEntry] {
    &CERTIFICATES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_are_whole_and_named_once() {
        let entries = toml::from_str::<Table>(DATA).unwrap().certificate;
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), entries.len());
        for entry in &entries {
            for text in [&entry.meaning, &entry.readers, &entry.changing] {
                text.check(&entry.name);
            }
            assert_eq!(entry.days.is_some(), !entry.authority.is_empty(), "{}", entry.name);
            assert!(entry.authority.is_empty() || entries.iter().any(|other| other.kind == entry.authority), "{}", entry.name);
        }
    }
}
