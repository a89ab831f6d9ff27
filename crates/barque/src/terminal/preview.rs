//! The words of `plan`: what `up` would do, host by host.

use std::fmt::Write as _;

use barque_engine::{FilePreview, HeldPreview, HostPreview, ObjectPreview, OtherStep, Preview, RemovalPreview, Turn, VersionChange};
use barque_model::HostName;

use super::diff::{content_lines, content_words, printable};
use super::failure::segment_text;
use super::preview_summary::{bytes, many, summary};

const TITLE: anstyle::Style = anstyle::Style::new().bold();
/// Names listed at most; a big cluster has hundreds of hosts that change alike.
const NAMES: usize = 12;

/// The whole answer of `plan`. `up` is the command that would do it.
pub(crate) fn preview_text(preview: &Preview, verbose: bool, up: &str) -> String {
    let mut text = String::new();
    for (names, body) in alike(&preview.hosts, verbose) {
        let _ = writeln!(text, "{TITLE}{}{TITLE:#}\n{body}", listed(&names));
    }
    section(&mut text, "the cluster's objects and nodes", &cluster_lines(preview, verbose));
    section(&mut text, "order of units", &order_lines(preview));
    section(&mut text, "changed by hand, and left as it is (`--overwrite-drift` overwrites it)", &held_lines(preview));
    let awaited = preview.awaited.iter().fold(String::new(), |mut lines, awaited| {
        let _ = writeln!(lines, "  {}, by {}", awaited.object, awaited.addon);
        lines
    });
    section(&mut text, "not there, and waited for by pods of add-ons: make it before `barque up`, or while it runs", &awaited);
    let kept = preview.kept.iter().fold(String::new(), |mut lines, kept| {
        let _ = writeln!(lines, "  {}", kept.words());
        lines
    });
    section(&mut text, "no add-on wants it any more, and it stays", &kept);
    section(&mut text, "pulled in: outside of the limit, and needed by what is within it", &other_lines(&preview.pulled_in));
    section(&mut text, &format!("left out by {}", preview.limits.join(", ")), &other_lines(&preview.left_out));
    let pending = preview.pending.iter().fold(String::new(), |mut lines, pending| {
        let _ = writeln!(lines, "  {}: {}", pending.host, printable(&pending.message));
        if let Some(hint) = &pending.hint {
            let _ = writeln!(lines, "    hint: {hint}");
        }
        lines
    });
    section(&mut text, "hosts that do not answer; a later `barque up` catches them up", &pending);
    if let Some(refusal) = &preview.refusal {
        let _ = writeln!(text, "{TITLE}`barque up` would refuse this{TITLE:#}: {refusal}\n");
    }
    let obstacles = segment_text(&preview.obstacles);
    section(&mut text, "`barque up` would refuse this because of other machines on the balancers' network segment", &obstacles);
    text.push_str(&summary(preview, up));
    text
}

fn section(text: &mut String, title: &str, lines: &str) {
    if !lines.is_empty() {
        let _ = writeln!(text, "{TITLE}{title}{TITLE:#}\n{lines}");
    }
}

/// Hosts with the same changes share a section.
fn alike(hosts: &[HostPreview], verbose: bool) -> Vec<(Vec<&str>, String)> {
    let mut sections: Vec<(Vec<&str>, String)> = Vec::new();
    for host in hosts {
        let body = host_lines(host, verbose);
        match sections.iter_mut().find(|(_, known)| *known == body) {
            Some((names, _)) => names.push(host.host.as_str()),
            None => sections.push((vec![host.host.as_str()], body)),
        }
    }
    sections
}

fn listed(names: &[&str]) -> String {
    if names.len() <= NAMES {
        return names.join(", ");
    }
    format!("{} and {} more hosts", names[..NAMES].join(", "), names.len() - NAMES)
}

fn host_lines(host: &HostPreview, verbose: bool) -> String {
    let mut text = String::new();
    for removal in &host.removals {
        text.push_str(&removal_lines(removal, verbose));
    }
    for setting in &host.settings {
        let becomes = if setting.becomes.is_empty() { String::new() } else { format!(" {}", setting.becomes) };
        let _ = writeln!(text, "  {}{becomes}{}", setting.resource, reasons(&setting.reasons));
    }
    for package in &host.packages {
        let _ = writeln!(text, "  package {}: install {}", package.name, package.archives.join(", "));
    }
    for binary in &host.binaries {
        let _ = writeln!(text, "  program {}", version(binary));
    }
    for file in &host.files {
        text.push_str(&file_lines(file, verbose));
    }
    for image in &host.images {
        let _ = writeln!(text, "  image {}", version(image));
    }
    for unit in &host.units {
        let _ = writeln!(text, "  {} {}{}", unit.verb.as_str(), unit.unit, reasons(&unit.reasons));
    }
    if host.bytes_to_send > 0 {
        let _ = writeln!(text, "  {} to send", bytes(host.bytes_to_send));
    }
    text
}

fn reasons(reasons: &[String]) -> String {
    let said: Vec<&str> = reasons.iter().map(String::as_str).filter(|reason| *reason != "absent").collect();
    if said.is_empty() { String::new() } else { format!(" ({})", printable(&said.join("; "))) }
}

fn version(change: &VersionChange) -> String {
    match &change.from {
        None => format!("{}: {}", change.name, change.to),
        Some(from) if *from == change.to => format!("{}: {from} again{}", change.name, reasons(&change.reasons)),
        Some(from) => format!("{}: {from} -> {}", change.name, change.to),
    }
}

fn file_lines(file: &FilePreview, verbose: bool) -> String {
    let mut words: Vec<String> = file.content.iter().map(content_words).filter(|words| !words.is_empty()).collect();
    if file.is_new && !words.iter().any(|words| words.starts_with("new")) {
        words = vec!["new".to_owned(), "secret".to_owned()];
    }
    words.extend(file.attributes.iter().cloned());
    let words = if words.is_empty() { String::new() } else { format!(" ({})", printable(&words.join("; "))) };
    let lines = file.content.as_ref().map_or_else(String::new, |content| content_lines(content, verbose, 4));
    format!("  file {}{words}\n{lines}", file.path)
}

fn removal_lines(removal: &RemovalPreview, verbose: bool) -> String {
    let verb = if removal.puts_back { "put back" } else { "remove" };
    let words = removal
        .content
        .as_ref()
        .map(content_words)
        .filter(|words| !words.is_empty())
        .map_or_else(String::new, |words| format!(" ({words})"));
    let lines = removal.content.as_ref().map_or_else(String::new, |content| content_lines(content, verbose, 4));
    format!("  {verb} {}{words}\n{lines}", removal.resource)
}

fn object_lines(object: &ObjectPreview, verbose: bool, unknown: &str) -> String {
    let words = object.content.as_ref().map_or_else(|| unknown.to_owned(), content_words);
    let words = if words.is_empty() { words } else { format!(" ({words})") };
    let lines = object.content.as_ref().map_or_else(String::new, |content| content_lines(content, verbose, 4));
    format!("  object {}{words}\n{lines}", object.name)
}

fn cluster_lines(preview: &Preview, verbose: bool) -> String {
    let mut text = String::new();
    for object in &preview.objects {
        text.push_str(&object_lines(object, verbose, "fields that barque no longer sets"));
    }
    for name in &preview.removed_objects {
        let _ = writeln!(text, "  remove object {name}");
    }
    for node in &preview.nodes {
        let labels = node.labels.iter().map(|label| format!("label {label}"));
        let taints = node.taints.iter().map(|taint| format!("taint {taint}"));
        let _ = writeln!(text, "  node {}: {}", node.node, labels.chain(taints).collect::<Vec<_>>().join(", "));
    }
    text
}

/// Turns with the same units share a line.
fn order_lines(preview: &Preview) -> String {
    let units = |turn: &Turn| turn.units.iter().map(|unit| format!("{} {}", unit.verb.as_str(), unit.unit)).collect::<Vec<_>>().join(", ");
    let mut lines: Vec<(u32, Vec<&str>, String)> = Vec::new();
    for turn in &preview.turns {
        let units = units(turn);
        match lines.iter_mut().find(|(number, _, known)| *number == turn.turn && *known == units) {
            Some((_, hosts, _)) => hosts.push(turn.host.as_str()),
            None => lines.push((turn.turn, vec![turn.host.as_str()], units)),
        }
    }
    let mut text = String::new();
    if let Some(host) = &preview.snapshot {
        let _ = writeln!(text, "  before: a verified copy of etcd's data on {host}");
    }
    for (number, hosts, units) in &lines {
        let _ = writeln!(text, "  {number}. {}: {units}", listed(hosts));
    }
    if !preview.drained.is_empty() {
        let names: Vec<&str> = preview.drained.iter().map(HostName::as_str).collect();
        let _ = writeln!(text, "  each is out of balance while it restarts: {}", names.join(", "));
    }
    text
}

fn held_lines(preview: &Preview) -> String {
    let mut text = String::new();
    for held in &preview.held {
        let HeldPreview { host, resource, run, reasons, content } = held;
        let mut words: Vec<String> = content.iter().map(content_words).filter(|words| !words.is_empty()).collect();
        words.extend(reasons.iter().cloned());
        let words = if words.is_empty() { String::new() } else { format!(": {}", printable(&words.join("; "))) };
        let _ = writeln!(text, "  {host}: {resource}, last written by run {run}{words}");
        if let Some(content) = content {
            text.push_str(&content_lines(content, true, 4));
        }
    }
    for object in &preview.held_objects {
        text.push_str(&object_lines(object, true, "not read"));
    }
    text
}

/// Steps by host, a line each.
fn other_lines(steps: &[OtherStep]) -> String {
    let mut hosts: Vec<(&str, Vec<&str>)> = Vec::new();
    for step in steps {
        let host = step.host.as_ref().map_or("cluster", |host| host.as_str());
        match hosts.iter_mut().find(|(known, _)| *known == host) {
            Some((_, titles)) => titles.push(&step.title),
            None => hosts.push((host, vec![&step.title])),
        }
    }
    hosts.iter().fold(String::new(), |mut text, (host, titles)| {
        let more = titles.len().saturating_sub(NAMES);
        let rest = if more == 0 { String::new() } else { format!(" and {}", many(more, "more step")) };
        let _ = writeln!(text, "  {host}: {}{rest}", titles[..titles.len() - more].join(", "));
        text
    })
}

#[cfg(test)]
mod tests;
