//! Everything that can be explained, in one list.

use barque_model::CheckId;

use crate::{
    CertificateEntry, ChangeEntry, CheckEntry, Entry, FileEntry, MinorEntry, PortEntry, StageEntry, Subject, TopicEntry, certificates,
    changes, checks, entries, files, minors, ports, stages, topics,
};

/// One thing that can be explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A flag, field or parameter of a program.
    Setting(Subject, &'static Entry),
    /// A flag that barque does not set, and that not all releases have.
    Change(&'static ChangeEntry),
    /// A port or kind of packet.
    Port(&'static PortEntry),
    /// A path on hosts.
    File(&'static FileEntry),
    /// A certificate, key or identity.
    Certificate(&'static CertificateEntry),
    /// A stage of a deployment.
    Stage(&'static StageEntry),
    /// A check of hosts.
    Check(&'static CheckEntry),
    /// A Kubernetes release.
    Release(&'static MinorEntry),
    /// A question of planning.
    Topic(&'static TopicEntry),
    /// A field of the cluster file.
    Field(FieldEntry),
}

/// A field of the cluster file, as its schema describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldEntry {
    /// Path with dots; `[]` is an entry of a list.
    pub path: String,
    /// Type for people.
    pub kind: String,
    /// Default for people; `None` when it must be given.
    pub default: Option<String>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// What it means.
    pub meaning: String,
}

/// What kind of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A setting of a program.
    Setting,
    /// A port.
    Port,
    /// A path.
    File,
    /// A certificate.
    Certificate,
    /// A stage.
    Stage,
    /// A check.
    Check,
    /// A Kubernetes release.
    Release,
    /// A topic.
    Topic,
    /// A field of the cluster file.
    Field,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [Self; 9] =
        [Self::Setting, Self::Port, Self::File, Self::Certificate, Self::Stage, Self::Check, Self::Release, Self::Topic, Self::Field];

    /// The word for it in `barque explain KIND NAME`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Port => "port",
            Self::File => "file",
            Self::Certificate => "certificate",
            Self::Stage => "stage",
            Self::Check => "check",
            Self::Release => "release",
            Self::Topic => "topic",
            Self::Field => "field",
        }
    }

    /// The kind that `word` names, plurals and short forms among them.
    pub fn find(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = match word.as_str() {
            "cert" | "certs" | "key" => "certificate",
            "path" | "directory" => "file",
            "flag" => "setting",
            "version" => "release",
            other => other,
        };
        Self::ALL.into_iter().find(|kind| word == kind.as_str() || word.strip_suffix('s') == Some(kind.as_str()))
    }
}

impl Item {
    /// What kind of thing it is.
    pub const fn kind(&self) -> ItemKind {
        match self {
            Self::Setting(..) | Self::Change(_) => ItemKind::Setting,
            Self::Port(_) => ItemKind::Port,
            Self::File(_) => ItemKind::File,
            Self::Certificate(_) => ItemKind::Certificate,
            Self::Stage(_) => ItemKind::Stage,
            Self::Check(_) => ItemKind::Check,
            Self::Release(_) => ItemKind::Release,
            Self::Topic(_) => ItemKind::Topic,
            Self::Field(_) => ItemKind::Field,
        }
    }

    /// Its own name, without its kind.
    pub fn name(&self) -> String {
        match self {
            Self::Setting(_, entry) => entry.name.clone(),
            Self::Change(entry) => entry.flag.clone(),
            Self::Port(entry) => entry.id.clone(),
            Self::File(entry) => entry.path.clone(),
            Self::Certificate(entry) => entry.name.clone(),
            Self::Stage(entry) => entry.name.clone(),
            Self::Check(entry) => entry.id.as_str().to_owned(),
            Self::Release(entry) => entry.minor.to_string(),
            Self::Topic(entry) => entry.name.clone(),
            Self::Field(entry) => entry.path.clone(),
        }
    }

    /// What follows `barque explain` to get it: `kubelet maxPods`, `port etcd-peer`.
    pub fn address(&self) -> String {
        match self {
            Self::Setting(subject, entry) => format!("{subject} {}", entry.name),
            Self::Change(entry) => format!("{} {}", entry.component, entry.flag),
            other => format!("{} {}", other.kind().as_str(), other.name()),
        }
    }

    /// The program or part of a host that it is a setting of.
    pub const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Setting(subject, _) => Some(*subject),
            Self::Change(entry) => Some(entry.component),
            _ => None,
        }
    }

    /// Further names under which it is found.
    pub(crate) fn aliases(&self) -> Vec<&str> {
        match self {
            Self::Setting(_, entry) => entry.flag.as_deref().into_iter().collect(),
            Self::Port(entry) => vec![&entry.title, &entry.ports],
            Self::Certificate(entry) => std::iter::once(entry.kind.as_str()).chain(entry.files.iter().map(String::as_str)).collect(),
            Self::Topic(entry) => entry.words.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Everything that the catalog explains, settings first. Fields of the cluster file come from its schema and are not among them.
pub fn items() -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for subject in Subject::ALL {
        items.extend(entries(subject).iter().map(|entry| Item::Setting(subject, entry)));
        items.extend(changes().iter().filter(|change| change.component == subject).map(Item::Change));
    }
    items.extend(ports().iter().map(Item::Port));
    items.extend(files().iter().map(Item::File));
    items.extend(certificates().iter().map(Item::Certificate));
    items.extend(stages().iter().map(Item::Stage));
    items.extend(CheckId::ALL.iter().filter_map(|id| crate::check(*id)).map(Item::Check));
    items.extend(minors().iter().map(Item::Release));
    items.extend(topics().iter().map(Item::Topic));
    debug_assert_eq!(CheckId::ALL.len(), checks().len());
    items
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_item_has_an_address_of_its_own() {
        let items = items();
        let addresses: BTreeSet<(String, bool)> = items
            .iter()
            .map(|item| (item.address(), matches!(item, Item::Setting(_, entry) if entry.kind == crate::EntryKind::Flag)))
            .collect();
        assert_eq!(addresses.len(), items.len());
        assert!(items.len() > 500);
    }

    #[test]
    fn kinds_are_found_by_their_words() {
        for kind in ItemKind::ALL {
            assert_eq!(ItemKind::find(kind.as_str()), Some(kind));
            assert_eq!(ItemKind::find(&format!("{}s", kind.as_str())), Some(kind));
        }
        assert_eq!(ItemKind::find("cert"), Some(ItemKind::Certificate));
        assert_eq!(ItemKind::find("kubelet"), None);
    }
}
