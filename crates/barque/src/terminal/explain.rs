//! The words of `explain`.

use std::fmt::Write as _;

use barque_catalog::{Explanation, Item, ItemKind, Label, Language, Minor, Subject};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::table;

const BOLD: anstyle::Style = anstyle::Style::new().bold();
/// Columns for the labels of parts.
const LABEL_WIDTH: usize = 13;
/// Columns of a text in a list.
const LIST_WIDTH: usize = 96;
/// Hosts that are named one by one.
const NAMED: usize = 8;

/// An explanation, and what it is in the cluster at hand.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The explanation.
    pub(crate) explanation: Explanation,
    /// The values here.
    pub(crate) here: Vec<Here>,
}

/// One value in the cluster at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Here {
    /// Hosts that have it; none when it is the whole cluster's.
    pub(crate) hosts: Vec<String>,
    /// The value.
    pub(crate) value: String,
    /// The file on the hosts, or the object in the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) place: String,
    /// What decides it.
    pub(crate) from: String,
    /// Line of the cluster file that decides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
}

/// Full explanations, one after the other.
pub(crate) fn explain_text(answers: &[Answer], language: Language) -> String {
    answers.iter().map(|answer| one(answer, language)).collect::<Vec<_>>().join("\n\n")
}

fn one(answer: &Answer, language: Language) -> String {
    let explanation = &answer.explanation;
    let mut text = format!("{BOLD}{}{BOLD:#} ({})\n", explanation.address, explanation.kind);
    for line in explanation.meaning.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text.push('\n');
    for here in &answer.here {
        part(&mut text, Label::Here, &here_words(here, language), language);
    }
    for found in &explanation.parts {
        part(&mut text, found.label, &found.text, language);
    }
    text.trim_end().to_owned()
}

fn part(text: &mut String, label: Label, words: &str, language: Language) {
    let label = label.word(language);
    // Chinese signs are two columns wide, so the width of the format would be wrong.
    let blanks = LABEL_WIDTH.saturating_sub(label.width());
    let _ = writeln!(text, "  {label}{:blanks$} {words}", "");
}

fn here_words(here: &Here, language: Language) -> String {
    let value = if here.value.is_empty() { language.choose("set", "已设置") } else { &here.value };
    let mut words = value.to_owned();
    if !here.hosts.is_empty() {
        let hosts = hosts(&here.hosts, language);
        let _ = match language {
            Language::English => write!(words, " on {hosts}"),
            Language::Chinese => write!(words, "（{hosts}）"),
        };
    }
    if !here.place.is_empty() {
        let _ = match language {
            Language::English => write!(words, ", in {}", here.place),
            Language::Chinese => write!(words, "，位于 {}", here.place),
        };
    }
    if let Some(line) = here.line {
        let _ = match language {
            Language::English => write!(words, ", line {line} of the cluster file"),
            Language::Chinese => write!(words, "，集群文件第 {line} 行"),
        };
    }
    words
}

fn hosts(names: &[String], language: Language) -> String {
    if names.len() <= NAMED {
        return names.join(", ");
    }
    let more = names.len() - NAMED;
    match language {
        Language::English => format!("{} and {more} more", names[..NAMED].join(", ")),
        Language::Chinese => format!("{} 等 {} 台", names[..NAMED].join(", "), names.len()),
    }
}

/// A line per item; those that `release` lacks are named at the end.
pub(crate) fn explain_list(items: &[Item], missing: &[Item], release: Option<Minor>, language: Language) -> String {
    let mut list = table([language.choose("TOPIC", "主题"), language.choose("WHAT", "类型"), language.choose("MEANING", "含义")]);
    for item in items {
        let explanation = item.explanation(language);
        let first = explanation.meaning.lines().next().unwrap_or_default();
        list.add_row([explanation.address.as_str(), explanation.kind, &shortened(first)]);
    }
    let mut text = list.to_string();
    if let (Some(release), false) = (release, missing.is_empty()) {
        let names: Vec<String> = missing.iter().map(Item::address).collect();
        let _ = match language {
            Language::English => write!(text, "\n\nnot in {release}: {}", names.join(", ")),
            Language::Chinese => write!(text, "\n\n{release} 不具备：{}", names.join(", ")),
        };
    }
    text
}

/// The first sentence, cut where a list has no more room.
fn shortened(text: &str) -> String {
    let sentence = text.find(". ").map_or(text, |end| &text[..=end]);
    if sentence.width() <= LIST_WIDTH {
        return sentence.to_owned();
    }
    let mut cut = String::new();
    for character in sentence.chars() {
        if cut.width() + 3 > LIST_WIDTH {
            break;
        }
        cut.push(character);
    }
    format!("{cut}…")
}

/// What there is to ask for.
pub(crate) fn explain_overview(items: &[Item], language: Language) -> String {
    let mut list = table([language.choose("ASK FOR", "查询"), language.choose("ENTRIES", "条目"), language.choose("EXAMPLE", "示例")]);
    let mut add = |name: &str, example: &str, has: &dyn Fn(&Item) -> bool| {
        let count = items.iter().filter(|item| has(item)).count();
        list.add_row([name, &count.to_string(), &format!("barque explain {example}")]);
    };
    for subject in Subject::ALL {
        let first = items.iter().find(|item| item.subject() == Some(subject));
        let example = first.map(Item::address).unwrap_or_default();
        add(subject.name(), &example, &|item| item.subject() == Some(subject));
    }
    for kind in ItemKind::ALL.into_iter().filter(|kind| *kind != ItemKind::Setting) {
        let example = match kind {
            ItemKind::Port => "port 10250".to_owned(),
            ItemKind::Field => "field spec.network.podCidr".to_owned(),
            _ => items.iter().find(|item| item.kind() == kind).map(Item::address).unwrap_or_default(),
        };
        add(kind.as_str(), &example, &|item| item.kind() == kind);
    }
    let advice = language.choose(
        "A bare word is looked for everywhere. `--component NAME` lists what is set for a program; `-f FILE` shows the values of a cluster.",
        "单个词会在所有条目中查找。`--component NAME` 列出某个程序的全部设置；`-f FILE` 显示集群中的值。",
    );
    format!("{list}\n\n{advice}")
}
