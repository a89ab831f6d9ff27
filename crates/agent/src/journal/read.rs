//! Journals as they are read: whole, or only for what a crash left open.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use barque_model::RunId;
use barque_plan::Resource;
use fs_err as fs;

use super::Record;
use crate::OpenIntent;

/// A change whose outcome was never recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenChange {
    pub(crate) intent: OpenIntent,
    /// What was meant to be there; for a change that was to be taken back, what was there until then.
    pub(crate) resource: Resource,
}

/// The file of a run's journal.
pub(crate) fn place(directory: &Path, run: &RunId) -> PathBuf {
    directory.join(format!("{run}.jsonl"))
}

/// Reads a run's journal from `directory` (`/var/lib/barque/journal`); empty when there is none. Lines that a crash cut, or that a
/// newer version wrote, are left out.
pub fn read_journal(directory: &Path, run: &RunId) -> io::Result<Vec<Record>> {
    read(&place(directory, run))
}

pub(super) fn read(path: &Path) -> io::Result<Vec<Record>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The runs that have a journal, oldest first.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<RunId>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        runs.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<RunId>().ok()));
    }
    runs.sort();
    Ok(runs)
}

/// Changes of the host without an outcome, by their numbers. Changes of cluster objects are not among them: they are compared with the
/// cluster before each is made, and nothing on the host depends on them.
pub(super) fn open_intents(records: &[Record]) -> BTreeMap<u64, (String, Resource)> {
    let mut open = BTreeMap::new();
    for record in records {
        match record {
            Record::Intent { seq, step, resource, .. } | Record::Restore { seq, step, resource, .. } => {
                drop(open.insert(*seq, (step.clone(), Resource::clone(resource))));
            }
            Record::Outcome { intent, .. } => drop(open.remove(intent)),
            Record::ObjectIntent { .. }
            | Record::ObjectRemoval { .. }
            | Record::NodeIntent { .. }
            | Record::KubeRestore { .. }
            | Record::TakeBack { .. }
            | Record::End { .. } => {}
        }
    }
    open
}

/// Whether a change of the host has no outcome.
pub(crate) fn is_open(records: &[Record]) -> bool {
    !open_intents(records).is_empty()
}

/// Finds changes that no outcome closes, in all journals. A journal that ended in order is not read beyond its last line.
pub(crate) fn scan(directory: &Path) -> io::Result<Vec<OpenChange>> {
    let mut found = Vec::new();
    for run in names(directory)? {
        let path = place(directory, &run);
        if ended_in_order(&path)? {
            continue;
        }
        for (seq, (step, resource)) in open_intents(&read(&path)?) {
            let intent = OpenIntent { run: run.clone(), seq, step, resource: resource.id() };
            found.push(OpenChange { intent, resource });
        }
    }
    Ok(found)
}

fn ended_in_order(path: &Path) -> io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let length = file.seek(io::SeekFrom::End(0))?;
    file.seek(io::SeekFrom::Start(length.saturating_sub(128)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let last = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(matches!(serde_json::from_slice(last), Ok(Record::End { .. })))
}
