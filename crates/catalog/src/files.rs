//! Paths that barque writes on hosts.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::Text;

const DATA: &str = include_str!("../../../catalog/files.toml");

static FILES: LazyLock<Vec<FileEntry>> =
    LazyLock::new(|| toml::from_str::<Table>(DATA).expect("catalog/files.toml is embedded and a test parses it").file);

/// A path on hosts, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Absolute path; a part in capitals stands for any name.
    pub path: String,
    /// What lies there.
    #[serde(default = "FileKind::file")]
    pub kind: FileKind,
    /// Permission bits, octal, such as `0600`.
    pub mode: String,
    /// User and group.
    pub owner: String,
    /// On which hosts it lies.
    pub hosts: String,
    /// What it is for.
    pub purpose: Text,
    /// Who reads it.
    pub readers: Text,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A file of barque's.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A line of a file that is not barque's.
    Line,
}

impl FileKind {
    const fn file() -> Self {
        Self::File
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Vec<FileEntry>,
}

/// Every entry, in the order of the file.
pub fn files() -> &'static [FileEntry] {
    &FILES
}

impl FileEntry {
    /// Whether `path` is this entry's, with any name where the entry has a part in capitals.
    pub fn matches(&self, path: &str) -> bool {
        let (mut own, mut other) = (self.path.split('/'), path.trim_end_matches('/').split('/'));
        loop {
            match (own.next(), other.next()) {
                (None, None) => return true,
                (Some(own), Some(other)) if part_matches(own, other) => {}
                _ => return false,
            }
        }
    }
}

/// A placeholder is capitals, with at most an ending after it: `NAME`, `RUN.jsonl`.
fn part_matches(own: &str, other: &str) -> bool {
    let (word, ending) = own.split_once('.').unwrap_or((own, ""));
    let is_placeholder = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_placeholder { !other.is_empty() && (ending.is_empty() || other.ends_with(&format!(".{ending}"))) } else { own == other }
}

/// The entry of a path on a host; an exact one before one with a placeholder.
pub fn file(path: &str) -> Option<&'static FileEntry> {
    FILES.iter().find(|entry| entry.path == path).or_else(|| FILES.iter().find(|entry| entry.matches(path)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_are_whole_and_named_once() {
        let entries = toml::from_str::<Table>(DATA).unwrap().file;
        let paths: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths.len(), entries.len());
        for entry in &entries {
            entry.purpose.check(&entry.path);
            assert!(!entry.readers.en.is_empty() && !entry.readers.zh.is_empty(), "{}", entry.path);
            assert!(entry.path.starts_with('/') && u32::from_str_radix(&entry.mode, 8).is_ok(), "{}", entry.path);
        }
    }

    #[test]
    fn names_stand_for_placeholders() {
        assert_eq!(file("/usr/local/bin/kubelet").unwrap().path, "/usr/local/bin/NAME");
        assert_eq!(file("/etc/containerd/certs.d/docker.io/hosts.toml").unwrap().path, "/etc/containerd/certs.d/REGISTRY/hosts.toml");
        assert_eq!(file("/var/lib/barque/journal/x.jsonl").unwrap().path, "/var/lib/barque/journal/RUN.jsonl");
        assert_eq!(file("/etc/etcd/").unwrap().path, "/etc/etcd");
        assert!(file("/var/lib/barque/journal/x.json").is_none() && file("/usr/local/bin").is_none());
    }
}
