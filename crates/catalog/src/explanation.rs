//! From an item to words: the same parts for the terminal, JSON and the reference pages.

use crate::{Entry, EntryKind, FileKind, Item, Label, Language, Minor, MinorEntry, PortEntry, PortScope, Subject, minor_range};

/// An item in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What follows `barque explain` to get it.
    pub address: String,
    /// What it is, in a word or two: `flag`, `field`, `certificate`.
    pub kind: &'static str,
    /// What it means.
    pub meaning: String,
    /// Everything else, in order.
    pub parts: Vec<Part>,
}

/// One part of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it says.
    pub label: Label,
    /// The words.
    pub text: String,
}

impl Explanation {
    fn new(item: &Item, kind: &'static str, meaning: &str) -> Self {
        Self { address: item.address(), kind, meaning: meaning.to_owned(), parts: Vec::new() }
    }

    fn with(mut self, label: Label, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(Part { label, text });
        }
        self
    }
}

impl Item {
    /// The item in `language`.
    pub fn explanation(&self, language: Language) -> Explanation {
        let choose = |english: &'static str, chinese: &'static str| language.choose(english, chinese);
        match self {
            Self::Setting(subject, entry) => setting(self, *subject, entry, language),
            Self::Change(entry) => Explanation::new(
                self,
                choose("flag that barque does not set", "barque 不设置的命令行参数"),
                entry.meaning.in_language(language),
            )
            .with(Label::Releases, releases(entry.component, entry.since, entry.until, language)),
            Self::Port(entry) => port(self, entry, language),
            Self::File(entry) => {
                let kind = match entry.kind {
                    FileKind::File => choose("file", "文件"),
                    FileKind::Directory => choose("directory", "目录"),
                    FileKind::Link => choose("link", "链接"),
                    FileKind::Line => choose("line of a file", "文件中的一行"),
                };
                Explanation::new(self, kind, entry.purpose.in_language(language))
                    .with(Label::Mode, &entry.mode)
                    .with(Label::Owner, &entry.owner)
                    .with(Label::Hosts, &entry.hosts)
                    .with(Label::Readers, entry.readers.in_language(language))
            }
            Self::Certificate(entry) => {
                let subject = match &entry.organization {
                    Some(organization) => format!("CN={}, O={organization}", entry.common_name),
                    None if entry.common_name.is_empty() => String::new(),
                    None => format!("CN={}", entry.common_name),
                };
                Explanation::new(self, choose("certificate", "证书"), entry.meaning.in_language(language))
                    .with(Label::Subject, subject)
                    .with(Label::Names, entry.names.join(", "))
                    .with(Label::SignedBy, &entry.authority)
                    .with(Label::Usages, entry.usages.join(", "))
                    .with(Label::Days, entry.days.map(|days| days.to_string()).unwrap_or_default())
                    .with(Label::Files, entry.files.join(", "))
                    .with(Label::Hosts, &entry.hosts)
                    .with(Label::Readers, entry.readers.in_language(language))
                    .with(Label::Changing, entry.changing.in_language(language))
            }
            Self::Stage(entry) => Explanation::new(self, choose("stage", "阶段"), entry.meaning.in_language(language))
                .with(Label::Waits, entry.waits.in_language(language))
                .with(Label::Done, entry.done.in_language(language))
                .with(Label::Failing, entry.failing.in_language(language)),
            Self::Check(entry) => Explanation::new(
                self,
                choose("check", "检查"),
                &format!("{}{}", language.choose(&entry.title.en, &entry.title.zh), choose(".", "。")),
            )
            .with(Label::Severity, entry.id.severity().as_str())
            .with(Label::Why, language.choose(&entry.why.en, &entry.why.zh))
            .with(Label::Remedy, language.choose(&entry.remedy.en, &entry.remedy.zh)),
            Self::Release(entry) => release(self, entry, language),
            Self::Topic(entry) => {
                let text = format!("{}\n{}", entry.title.in_language(language), entry.text.in_language(language));
                Explanation::new(self, choose("topic", "主题"), &text)
                    .with(Label::See, entry.see.join(", "))
                    .with(Label::Source, &entry.source)
            }
            Self::Field(entry) => Explanation::new(self, choose("field of the cluster file", "集群文件字段"), &entry.meaning)
                .with(Label::Type, &entry.kind)
                .with(Label::Default, entry.default.as_deref().unwrap_or_else(|| choose("none, it is required", "无，必填")))
                .with(Label::Unit, entry.unit.as_deref().unwrap_or_default()),
        }
    }
}

fn setting(item: &Item, subject: Subject, entry: &Entry, language: Language) -> Explanation {
    let kind = match (subject, entry.kind) {
        (Subject::Kernel, _) => language.choose("kernel parameter", "内核参数"),
        (_, EntryKind::Flag) => language.choose("flag", "命令行参数"),
        (_, EntryKind::Field) => language.choose("field", "配置字段"),
    };
    let from = if entry.from.is_empty() { language.choose("barque", "barque").to_owned() } else { entry.from.join(", ") };
    Explanation::new(item, kind, entry.meaning.in_language(language))
        .with(Label::Default, entry.default.as_deref().unwrap_or_else(|| language.choose("none", "无")))
        .with(Label::From, from)
        .with(Label::Flag, entry.flag.as_ref().map(|flag| format!("--{flag}")).unwrap_or_default())
        .with(Label::Why, entry.why.in_language(language))
        .with(Label::Changing, entry.changing.in_language(language))
        .with(Label::Releases, releases(subject, entry.since, entry.until, language))
        .with(Label::Source, &entry.source)
}

/// The releases that have an entry; empty where the catalog follows none.
fn releases(subject: Subject, since: Option<Minor>, until: Option<Minor>, language: Language) -> String {
    let (first, last) = minor_range();
    let program = if subject.is_kubernetes() { "Kubernetes" } else { subject.name() };
    match (since, until) {
        (None, None) if subject.is_kubernetes() => match language {
            Language::English => format!("all from {first} to {last}"),
            Language::Chinese => format!("{first} 到 {last} 全部具备"),
        },
        (None, None) => String::new(),
        (Some(since), None) => match language {
            Language::English => format!("since {program} {since}"),
            Language::Chinese => format!("自 {program} {since} 起"),
        },
        (None, Some(until)) => match language {
            Language::English => format!("until {program} {until}"),
            Language::Chinese => format!("到 {program} {until} 为止"),
        },
        (Some(since), Some(until)) => match language {
            Language::English => format!("{program} {since} to {until}"),
            Language::Chinese => format!("{program} {since} 到 {until}"),
        },
    }
}

fn port(item: &Item, entry: &PortEntry, language: Language) -> Explanation {
    let number = match entry.ports.as_str() {
        "SSH" => language.choose("the host's SSH port", "主机的 SSH 端口"),
        "API" => "spec.loadBalancer.port",
        "NODE-PORTS" => "spec.network.nodePorts",
        other => other,
    };
    let scope = match entry.scope {
        PortScope::Network => language.choose("between machines", "机器之间"),
        PortScope::Pods => language.choose("to and from pods", "与 Pod 之间"),
        PortScope::Loopback => language.choose("never leaves the host", "不离开本机"),
    };
    Explanation::new(item, language.choose("port", "端口"), language.choose(&entry.purpose.en, &entry.purpose.zh))
        .with(Label::Port, format!("{} {number}", entry.protocol).trim_end())
        .with(Label::Scope, scope)
        .with(Label::NeededBy, &entry.needed_by)
        .with(Label::Source, &entry.source)
}

fn release(item: &Item, entry: &MinorEntry, language: Language) -> Explanation {
    let cni = entry.cni_plugins.map(|version| format!(", CNI {version}")).unwrap_or_default();
    let companions = format!("etcd {}, containerd {}, CoreDNS {}, pause {}{cni}", entry.etcd, entry.containerd, entry.coredns, entry.pause);
    let deployable = if entry.deployable {
        language.choose("yes", "是")
    } else {
        language.choose("no: barque has run no release of it as a whole", "否：barque 尚未整体运行过该版本")
    };
    let compared = match (entry.help, language) {
        (Some(version), Language::English) => format!("flags agree with --help of the programs of {version}"),
        (Some(version), Language::Chinese) => format!("参数与 {version} 程序的 --help 一致"),
        (None, Language::English) => "no: flags follow from the release notes and the neighbouring releases".to_owned(),
        (None, Language::Chinese) => "否：参数依据发行说明和相邻版本".to_owned(),
    };
    Explanation::new(item, language.choose("Kubernetes release", "Kubernetes 版本"), entry.notes.in_language(language))
        .with(
            Label::Releases,
            match language {
                Language::English => format!("latest patch known: {}", entry.patch),
                Language::Chinese => format!("已知最新补丁：{}", entry.patch),
            },
        )
        .with(Label::Companions, companions)
        .with(Label::Deployable, deployable)
        .with(Label::Compared, compared)
        .with(Label::SupportEnds, entry.support_ends.as_deref().unwrap_or_default())
        .with(Label::Source, &entry.source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::items;

    #[test]
    fn every_item_says_something_in_both_languages() {
        for item in items() {
            for language in Language::ALL {
                let explanation = item.explanation(language);
                assert!(!explanation.meaning.is_empty() && !explanation.parts.is_empty(), "{}", explanation.address);
                assert!(explanation.parts.iter().all(|part| !part.text.is_empty()), "{}", explanation.address);
            }
        }
    }

    #[test]
    fn the_releases_of_a_setting_are_said() {
        let text = |address: &str, language| {
            let item = items().into_iter().find(|item| item.address() == address).unwrap();
            item.explanation(language).parts.into_iter().find(|part| part.label == Label::Releases).map(|part| part.text)
        };
        assert_eq!(text("kubelet mergeDefaultEvictionSettings", Language::English).unwrap(), "since Kubernetes 1.33");
        assert_eq!(text("kubelet maxPods", Language::Chinese).unwrap(), "1.31 到 1.37 全部具备");
        assert_eq!(text("etcd feature-gates", Language::English).unwrap(), "since etcd 3.6");
        assert_eq!(text("haproxy global.log", Language::English), None);
    }
}
