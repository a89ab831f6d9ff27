//! The catalog against the recorded `--help` of real programs (`catalog/help`, written by `cargo xtask flags`).
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use barque_catalog::{EntryKind, Minor, Subject, changes, entries, minors};
use fs_err as fs;

/// Flags that a release has and its `--help` does not show: pflag hides what is marked as deprecated.
const HIDDEN: [(&str, &str); 3] =
    [("kube-apiserver", "cloud-config"), ("kube-apiserver", "cloud-provider"), ("kube-apiserver", "enable-logs-handler")];

/// Flags of one program in one release: name to default.
type Flags = BTreeMap<String, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/help")
}

/// Every record: program, release, flags, first line.
fn records() -> Vec<(Subject, Minor, Flags, String)> {
    let mut found = Vec::new();
    for program in fs::read_dir(folder()).unwrap() {
        let program = program.unwrap();
        let subject = Subject::find(&program.file_name().to_string_lossy()).unwrap();
        for file in fs::read_dir(program.path()).unwrap() {
            let path = file.unwrap().path();
            let minor = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let (head, body) = text.split_once('\n').unwrap();
            let flag = |line: &str| {
                let mut cells = line.split('\t');
                (cells.next().unwrap().to_owned(), cells.nth(1).unwrap_or_default().to_owned())
            };
            found.push((subject, minor, body.lines().map(flag).collect(), head.to_owned()));
        }
    }
    found.sort_by_key(|(subject, minor, _, _)| (*subject, *minor));
    found
}

#[test]
fn each_release_says_whether_it_was_recorded() {
    let records = records();
    let programs: Vec<Subject> = Subject::ALL.into_iter().filter(|subject| subject.is_kubernetes()).collect();
    for entry in minors() {
        let recorded: Vec<&String> = records
            .iter()
            .filter(|(subject, minor, _, _)| subject.is_kubernetes() && *minor == entry.minor)
            .map(|(_, _, _, head)| head)
            .collect();
        match entry.help {
            None => assert!(recorded.is_empty(), "{} has a record and does not say so", entry.minor),
            Some(version) => {
                assert_eq!(recorded.len(), programs.len(), "{}", entry.minor);
                assert!(recorded.iter().all(|head| head.contains(&format!(" {version} --help"))), "{recorded:?}");
            }
        }
    }
    assert!(records.iter().all(|(_, _, flags, _)| flags.len() >= 20));
}

#[test]
fn every_flag_that_barque_sets_is_in_the_help_of_the_releases_that_have_it() {
    let mut wrong = Vec::new();
    for (subject, minor, flags, _) in records() {
        for entry in entries(subject).iter().filter(|entry| entry.kind == EntryKind::Flag) {
            if flags.contains_key(&entry.name) != entry.exists_in(minor) {
                wrong.push(format!("{subject} {minor}: {}", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "the catalog and --help differ in {wrong:#?}");
}

#[test]
fn every_flag_that_came_or_went_is_said_to() {
    let mut by_program: BTreeMap<Subject, Vec<(Minor, Flags)>> = BTreeMap::new();
    for (subject, minor, flags, _) in records().into_iter().filter(|(subject, ..)| subject.is_kubernetes()) {
        by_program.entry(subject).or_default().push((minor, flags));
    }
    let mut wrong = Vec::new();
    for (subject, releases) in by_program {
        let names: BTreeSet<&String> = releases.iter().flat_map(|(_, flags)| flags.keys()).collect();
        let known = changes().iter().filter(|change| change.component == subject);
        for name in names.into_iter().chain(known.map(|change| &change.flag)) {
            let change = changes().iter().find(|change| change.component == subject && change.flag == *name);
            let entry = entries(subject).iter().find(|entry| entry.kind == EntryKind::Flag && entry.name == *name);
            for (minor, flags) in &releases {
                let said = match (change, entry) {
                    (Some(change), _) => change.exists_in(*minor),
                    (None, Some(entry)) => entry.exists_in(*minor),
                    // Without an entry nothing is said of it, which is right for what all releases have.
                    (None, None) => true,
                };
                let is_hidden = said && HIDDEN.contains(&(subject.name(), name.as_str()));
                if said != flags.contains_key(name) && !is_hidden {
                    wrong.push(format!("{subject} {name}: {} {minor}", if said { "not in" } else { "in" }));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "catalog/changes.toml and --help differ in {wrong:#?}");
}

#[test]
fn defaults_are_those_that_the_newest_programs_print() {
    let mut newest: BTreeMap<Subject, Flags> = BTreeMap::new();
    for (subject, _, flags, _) in records() {
        newest.insert(subject, flags);
    }
    let mut wrong = Vec::new();
    for (subject, flags) in newest {
        for entry in entries(subject).iter().filter(|entry| entry.kind == EntryKind::Flag) {
            let printed = flags.get(&entry.name).map(String::as_str).unwrap_or_default();
            let said = entry.default.as_deref().unwrap_or_default();
            // Programs print no default that is false, zero or empty.
            let is_zero = printed.is_empty() && matches!(said, "" | "false" | "0" | "0s");
            if printed != said && !is_zero {
                wrong.push(format!("{subject} {}: `{said}`, and the program says `{printed}`", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
