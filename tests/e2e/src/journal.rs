//! The hosts' journals, read from their disks without barque.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;

use crate::Lab;

/// A line of a journal, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Line {
    Intent {
        seq: u64,
        step: String,
        resource: Value,
        #[serde(default)]
        prior: Value,
    },
    Outcome {
        intent: u64,
        result: String,
    },
    #[serde(other)]
    Other,
}

/// A change that a journal tells of.
#[derive(Debug, Clone)]
pub struct Change {
    /// The host.
    pub host: String,
    /// The run.
    pub run: String,
    /// Title of the step.
    pub step: String,
    /// The resource, as in the plan.
    pub resource: Value,
    /// What was there before.
    pub prior: Value,
    /// How it ended, such as `changed`; `None` when it was left open.
    pub result: Option<String>,
}

/// What all journals of the lab's hosts tell, in the order of hosts, runs and intents.
pub fn changes(lab: &Lab) -> Result<Vec<Change>> {
    let mut found = Vec::new();
    for host in lab.hosts() {
        for path in files(&host.root)? {
            let run = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.extend(read(&host.name, &run, &fs::read(&path)?));
        }
    }
    Ok(found)
}

/// The text of each host's journals, by run.
pub fn journals(lab: &Lab) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut found = BTreeMap::new();
    for host in lab.hosts() {
        let mut of_host = BTreeMap::new();
        for path in files(&host.root)? {
            let run = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            of_host.insert(run, fs::read_to_string(&path)?);
        }
        found.insert(host.name.clone(), of_host);
    }
    Ok(found)
}

fn folder(root: &Path) -> PathBuf {
    root.join("var/lib/barque/journal")
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder(root);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

fn read(host: &str, run: &str, bytes: &[u8]) -> Vec<Change> {
    let mut changes: BTreeMap<u64, Change> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        // A line that a crash cut off says nothing.
        match serde_json::from_slice(line) {
            Ok(Line::Intent { seq, step, resource, prior }) => {
                changes.insert(seq, Change { host: host.to_owned(), run: run.to_owned(), step, resource, prior, result: None });
            }
            Ok(Line::Outcome { intent, result }) => {
                if let Some(change) = changes.get_mut(&intent) {
                    change.result = Some(result);
                }
            }
            Ok(Line::Other) | Err(_) => {}
        }
    }
    changes.into_values().collect()
}

/// A resource's identity within its host, such as `file /etc/etcd/etcd.env`, from its JSON in a plan or a journal.
pub fn resource_id(resource: &Value) -> String {
    let Some((kind, fields)) = resource.as_object().and_then(|object| object.iter().next()) else { return resource.to_string() };
    let name = ["path", "name", "key", "reference", "names"].iter().find_map(|field| match &fields[field] {
        Value::String(text) => Some(text.clone()),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        _ => None,
    });
    let words = if kind == "HostsLine" { "hosts line".to_owned() } else { kind.to_lowercase() };
    format!("{words} {}", name.unwrap_or_default())
}

/// What was applied more than once without need, a line each. A unit may be started again when it did not run or ran with other inputs;
/// a kernel parameter is gone after a loss of power.
pub fn once_only(changes: &[Change], lost_power: &BTreeSet<String>) -> Vec<String> {
    let mut done: BTreeMap<(&str, String), &str> = BTreeMap::new();
    let mut again = Vec::new();
    for change in changes.iter().filter(|change| change.result.as_deref() == Some("changed")) {
        let id = resource_id(&change.resource);
        let needed = match &change.resource["Unit"] {
            Value::Object(unit) => {
                let before = &change.prior["state"];
                before["active"] != "active" || before["enabled"] != true || before["fingerprint"] != unit["fingerprint"]
            }
            _ => id.starts_with("sysctl ") && lost_power.contains(&change.host),
        };
        if let Some(first) = done.insert((&change.host, id.clone()), &change.run)
            && !needed
        {
            again.push(format!("{}: {id} by run {first} and again by run {}", change.host, change.run));
        }
    }
    again
}

/// What a new line of a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A change is about to begin.
    Intent,
    /// A change has ended.
    Outcome,
}

/// Follows the journals of all hosts while they grow.
#[derive(Debug)]
pub struct Tails {
    hosts: Vec<(String, PathBuf)>,
    read: BTreeMap<PathBuf, u64>,
    changed: usize,
}

impl Tails {
    /// From the beginning of every journal.
    pub fn new(lab: &Lab) -> Self {
        let hosts = lab.hosts().iter().map(|host| (host.name.clone(), host.root.clone())).collect();
        Self { hosts, read: BTreeMap::new(), changed: 0 }
    }

    /// Changes that have ended well so far, on all hosts.
    pub fn changed(&self) -> usize {
        self.changed
    }

    /// The lines since the last call: host, what it is, and its text.
    pub fn poll(&mut self) -> Result<Vec<(String, Mark, String)>> {
        let mut found = Vec::new();
        for (host, root) in &self.hosts {
            for path in files(root)? {
                let from = self.read.get(&path).copied().unwrap_or(0);
                let mut file = fs::File::open(&path)?;
                if file.metadata()?.len() == from {
                    continue;
                }
                file.seek(SeekFrom::Start(from))?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                // What follows the last line feed is a line that is still being written.
                let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
                self.read.insert(path, from + whole as u64);
                for line in bytes[..whole].split(|byte| *byte == b'\n') {
                    let mark = match serde_json::from_slice(line) {
                        Ok(Line::Intent { .. }) => Mark::Intent,
                        Ok(Line::Outcome { result, .. }) => {
                            self.changed += usize::from(result == "changed");
                            Mark::Outcome
                        }
                        // Intents of other kinds: of cluster objects, of restoring.
                        Ok(Line::Other) if String::from_utf8_lossy(line).contains("\"seq\":") => Mark::Intent,
                        Ok(Line::Other) | Err(_) => continue,
                    };
                    found.push((host.clone(), mark, String::from_utf8_lossy(line).into_owned()));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn resources_have_the_names_that_people_see() {
        assert_eq!(resource_id(&json!({"File": {"path": "/etc/a", "digest": "0", "mode": 420}})), "file /etc/a");
        assert_eq!(resource_id(&json!({"Package": {"name": "haproxy", "archives": []}})), "package haproxy");
        assert_eq!(resource_id(&json!({"HostsLine": {"address": "10.0.0.1", "names": ["m1", "m1.x"]}})), "hosts line m1 m1.x");
    }

    fn change(run: &str, resource: Value, prior: Value, result: Option<&str>) -> Change {
        Change { host: "m1".into(), run: run.into(), step: String::new(), resource, prior, result: result.map(str::to_owned) }
    }

    #[test]
    fn a_second_change_needs_a_reason() {
        let file = json!({"File": {"path": "/etc/a"}});
        let unit = json!({"Unit": {"name": "x.service", "fingerprint": "aa"}});
        let state = |active: &str, fingerprint: &str| json!({"kind": "unit", "state": {"active": active, "enabled": true, "fingerprint": fingerprint}});
        let none = BTreeSet::new();
        let twice = [change("1", file.clone(), json!(null), Some("changed")), change("2", file.clone(), json!(null), Some("changed"))];
        assert_eq!(once_only(&twice, &none).len(), 1);
        let open = [change("1", file.clone(), json!(null), None), change("2", file, json!(null), Some("changed"))];
        assert!(once_only(&open, &none).is_empty());
        let again =
            |prior: Value| [change("1", unit.clone(), json!({}), Some("changed")), change("2", unit.clone(), prior, Some("changed"))];
        assert_eq!(once_only(&again(state("active", "aa")), &none).len(), 1);
        assert!(once_only(&again(state("failed", "aa")), &none).is_empty());
        assert!(once_only(&again(state("active", "bb")), &none).is_empty());
    }

    #[test]
    fn lines_are_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let journal = super::folder(folder.path());
        fs::create_dir_all(&journal).unwrap();
        let path = journal.join("20261125T020304Z-1a2b.jsonl");
        let intent = r#"{"kind":"intent","format":1,"seq":1,"at_millis":1,"step":"create /etc/a","resource":{"File":{"path":"/etc/a"}},"prior":{"kind":"absent"}}"#;
        let outcome = r#"{"kind":"outcome","format":1,"intent":1,"at_millis":2,"result":"changed","message":""}"#;
        let mut tails = Tails { hosts: vec![("m1".into(), folder.path().to_owned())], read: BTreeMap::new(), changed: 0 };
        fs::write(&path, format!("{intent}\n{}", &outcome[..20])).unwrap();
        let marks = |lines: Vec<(String, Mark, String)>| lines.into_iter().map(|(_, mark, _)| mark).collect::<Vec<_>>();
        assert_eq!(marks(tails.poll().unwrap()), [Mark::Intent]);
        assert_eq!((marks(tails.poll().unwrap()).len(), tails.changed()), (0, 0));
        fs::write(&path, format!("{intent}\n{outcome}\n{{\"kind\":\"end\"}}\n")).unwrap();
        assert_eq!((marks(tails.poll().unwrap()), tails.changed()), (vec![Mark::Outcome], 1));
        let told = read("m1", "r", &fs::read(&path).unwrap());
        assert_eq!((told[0].step.as_str(), told[0].result.as_deref()), ("create /etc/a", Some("changed")));
    }
}
