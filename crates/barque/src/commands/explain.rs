//! `barque explain`: what anything that barque sets, opens, writes, issues or checks is, why it is so, and what it is here.

mod here;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Result;
use barque_catalog::{EntryKind, FieldEntry, Found, Item, Label, Language, Minor, Part, Subject, items, minor, search};
use barque_engine::Context;
use barque_event::exit;
use barque_model::Component;
use serde_json::{Map, Value, json};

use crate::arguments::{ClusterArguments, ExplainArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{Answer, explain_list, explain_overview, explain_text, note, print_error, print_json, say};

/// Explains; exit code 2 when there is nothing of that name.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<u8> {
    let language = arguments.lang.unwrap_or_else(settings::language);
    let words: Vec<String> = match arguments.component {
        Some(subject) => std::iter::once(subject.name().to_owned()).chain(arguments.topic.iter().cloned()).collect(),
        None => arguments.topic.clone(),
    };
    if words.is_empty() {
        return overview(arguments, language);
    }
    match search(everything(), &words) {
        Found::Exact(found) => {
            let context = context(arguments)?;
            let answers: Vec<Answer> = found.iter().map(|item| answer(item, arguments, language, context.as_ref())).collect();
            match arguments.output {
                Output::Text => say(&explain_text(&answers, language))?,
                Output::Json => print_json(&json!({ "explanations": answers.iter().map(as_json).collect::<Vec<_>>() }))?,
            }
            Ok(exit::DONE)
        }
        Found::Some(found) => {
            let (there, missing): (Vec<Item>, Vec<Item>) = found.into_iter().partition(|item| is_in(item, arguments.release));
            match arguments.output {
                Output::Text => say(&explain_list(&there, &missing, arguments.release, language))?,
                Output::Json => print_json(&json!({ "items": there.iter().map(|item| row(item, language)).collect::<Vec<_>>() }))?,
            }
            Ok(exit::DONE)
        }
        Found::Similar(names) => {
            print_error(&unknown(&words.join(" "), &names));
            Ok(exit::USAGE)
        }
    }
}

/// Everything in the catalog, and the fields of the cluster file.
fn everything() -> Vec<Item> {
    let field = |field: barque_spec::FieldDescription| {
        Item::Field(FieldEntry { path: field.path, kind: field.kind, default: field.default, unit: field.unit, meaning: field.meaning })
    };
    let mut all = items();
    all.extend(barque_spec::fields().into_iter().map(field));
    all
}

fn unknown(words: &str, names: &[String]) -> anyhow::Error {
    if names.is_empty() {
        anyhow::anyhow!("nothing is known of `{words}`; `barque explain` without a topic says what there is")
    } else {
        let names: Vec<String> = names.iter().map(|name| format!("`barque explain {name}`")).collect();
        anyhow::anyhow!("nothing is known of `{words}`; try {}", names.join(", "))
    }
}

fn overview(arguments: &ExplainArguments, language: Language) -> Result<u8> {
    let all = everything();
    match arguments.output {
        Output::Text => say(&explain_overview(&all, language))?,
        Output::Json => print_json(&json!({ "items": all.iter().map(|item| row(item, language)).collect::<Vec<_>>() }))?,
    }
    Ok(exit::DONE)
}

/// The cluster whose values are shown: the named file, else `cluster.yaml` when it is there. A file that nobody named may be wrong.
fn context(arguments: &ExplainArguments) -> Result<Option<Context>> {
    let named = arguments.file.is_some();
    let file = arguments.file.clone().unwrap_or_else(|| PathBuf::from("cluster.yaml"));
    if !named && !file.is_file() {
        return Ok(None);
    }
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    match Context::load(settings::local(&ClusterArguments { file: file.clone(), output: arguments.output }, &state)?) {
        Ok(context) => Ok(Some(context)),
        Err(error) if named => Err(error.into()),
        Err(_) => {
            note(&format!("no values are shown: {} is not valid; run `barque validate`", file.display()))?;
            Ok(None)
        }
    }
}

fn answer(item: &Item, arguments: &ExplainArguments, language: Language, context: Option<&Context>) -> Answer {
    let mut explanation = item.explanation(language);
    let flag = match item {
        Item::Setting(Subject::Component(component), entry) if entry.kind == EntryKind::Flag => Some((*component, &entry.name)),
        Item::Change(entry) => entry.component.component().map(|component| (component, &entry.flag)),
        _ => None,
    };
    if let Some((component, flag)) = flag
        && let Some(text) = extra_args(component, flag, language)
    {
        explanation.parts.push(Part { label: Label::ExtraArgs, text });
    }
    if let (Some(release), Item::Setting(..) | Item::Change(_)) = (arguments.release, item) {
        let there = if is_in(item, Some(release)) { language.choose("there", "具备") } else { language.choose("not there", "不具备") };
        let text = format!("{release}: {there}");
        match explanation.parts.iter_mut().find(|part| part.label == Label::Releases) {
            Some(part) => part.text = format!("{}; {text}", part.text),
            None => explanation.parts.push(Part { label: Label::Releases, text }),
        }
    }
    Answer { here: context.map(|context| here::values(item, context)).unwrap_or_default(), explanation }
}

/// How a flag is set by the user, or why it cannot be. `None` for programs that take no flags from the cluster file.
fn extra_args(component: Component, flag: &str, language: Language) -> Option<String> {
    let takes_flags = !matches!(component, Component::Haproxy | Component::Keepalived | Component::Containerd);
    takes_flags.then(|| match barque_spec::owned_flag(component, flag) {
        Some(reason) => match language {
            Language::English => format!("not in spec.extraArgs: {reason}"),
            Language::Chinese => format!("不能在 spec.extraArgs 中设置（{reason}）"),
        },
        None => format!("{}.{flag}", here::extra_args_field(component)),
    })
}

/// Whether a release has the item; all that the catalog follows no releases of counts as there.
fn is_in(item: &Item, release: Option<Minor>) -> bool {
    let Some(release) = release else { return true };
    match item {
        Item::Setting(subject, entry) => {
            let own = minor(release).ok().and_then(|entry| entry.release_of(*subject));
            own.is_none_or(|own| entry.exists_in(own))
        }
        Item::Change(entry) => entry.exists_in(release),
        _ => true,
    }
}

fn row(item: &Item, language: Language) -> Value {
    let explanation = item.explanation(language);
    json!({ "address": explanation.address, "kind": explanation.kind, "meaning": explanation.meaning })
}

fn as_json(answer: &Answer) -> Value {
    let explanation = &answer.explanation;
    let parts: Map<String, Value> =
        explanation.parts.iter().map(|part| (part.label.id().to_owned(), Value::from(part.text.as_str()))).collect();
    json!({
        "address": explanation.address,
        "kind": explanation.kind,
        "meaning": explanation.meaning,
        "parts": parts,
        "here": answer.here,
    })
}
