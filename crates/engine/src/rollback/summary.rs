//! What a rollback does to a host, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use barque_model::HostName;
use barque_plan::{Prior, Resource, UndoItem};
use serde::Serialize;

/// What is restored on a host, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostUndo {
    /// The host.
    pub host: HostName,
    /// How many go back to what they were, such as `file` to 3.
    pub restored: BTreeMap<&'static str, u32>,
    /// How many are removed, because there was nothing in their place; units of that sort are stopped.
    pub removed: BTreeMap<&'static str, u32>,
}

impl HostUndo {
    pub(super) fn of(host: &HostName, items: &[UndoItem]) -> Self {
        let mut undo = Self { host: host.clone(), restored: BTreeMap::new(), removed: BTreeMap::new() };
        for item in items {
            let counts = match &item.prior {
                // What cannot be brought back is said in words.
                Prior::Other { .. } => continue,
                prior if was_nothing(prior) => &mut undo.removed,
                _ => &mut undo.restored,
            };
            *counts.entry(kind(&item.resource)).or_default() += 1;
        }
        undo
    }
}

fn was_nothing(prior: &Prior) -> bool {
    match prior {
        Prior::Absent => true,
        Prior::Unit { state } => !state.is_active(),
        Prior::Package { installed } => installed.is_empty(),
        _ => false,
    }
}

const fn kind(resource: &Resource) -> &'static str {
    match resource {
        Resource::Directory(_) => "directory",
        Resource::File(_) => "file",
        Resource::Binary(_) => "program",
        Resource::Unit(_) => "unit",
        Resource::User(_) => "user",
        Resource::Sysctl(_) => "kernel parameter",
        Resource::Package(_) => "package",
        Resource::Image(_) => "image",
        Resource::HostsLine(_) => "hosts line",
    }
}

fn counted(counts: &BTreeMap<&'static str, u32>) -> String {
    let words = counts.iter().map(|(kind, count)| match (*kind, *count) {
        (kind, 1) => format!("1 {kind}"),
        ("directory", count) => format!("{count} directories"),
        (kind, count) => format!("{count} {kind}s"),
    });
    words.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for HostUndo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.restored.is_empty(), self.removed.is_empty()) {
            (true, true) => formatter.write_str("nothing to restore"),
            (false, true) => write!(formatter, "restores {}", counted(&self.restored)),
            (true, false) => write!(formatter, "removes {}", counted(&self.removed)),
            (false, false) => write!(formatter, "restores {}; removes {}", counted(&self.restored), counted(&self.removed)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Digest, Owner};
    use barque_plan::{Directory, File, User};

    use super::*;

    #[test]
    fn what_was_there_is_restored_and_the_rest_removed() {
        let owner = Owner::root();
        let file = |path: &str| {
            Resource::File(File { path: path.into(), digest: Digest::of(b"new"), mode: 0o644, owner: Owner::root(), sensitive: false })
        };
        let directory = |path: &str| Resource::Directory(Directory { path: path.into(), mode: 0o755, owner: Owner::root() });
        let item = |resource, prior| UndoItem { resource, prior, run: "20261125T010000Z-0001".parse().unwrap() };
        let items = [
            item(file("/a"), Prior::File { digest: Digest::of(b"old"), mode: 0o600, owner }),
            item(file("/b"), Prior::Absent),
            item(file("/c"), Prior::Absent),
            item(directory("/d"), Prior::Absent),
            item(directory("/e"), Prior::Absent),
            item(Resource::User(User { name: "etcd".into(), home: "/x".into() }), Prior::Other { what: "a socket".into() }),
        ];
        let host: HostName = "m1".parse().unwrap();
        assert_eq!(HostUndo::of(&host, &items).to_string(), "restores 1 file; removes 2 directories, 2 files");
        assert_eq!(HostUndo::of(&host, &items[1..2]).to_string(), "removes 1 file");
        assert_eq!(HostUndo::of(&host, &items[..1]).to_string(), "restores 1 file");
        assert_eq!(HostUndo::of(&host, &[]).to_string(), "nothing to restore");
    }
}
