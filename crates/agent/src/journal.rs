//! The write-ahead journal of a run on its host: `/var/lib/barque/journal/<run>.jsonl`.
//!
//! An intent, with what undo needs, is on disk before the change begins. Outcomes follow within 50 ms: losing one in a crash means
//! that the resource is observed once more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use barque_host::Prior;
use barque_model::RunId;
use barque_plan::{Difference, Resource};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Version of [`Record`].
const FORMAT: u32 = 1;
/// How long an outcome may wait for its sync.
const OUTCOME_DELAY: Duration = Duration::from_millis(50);

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Record {
    /// A change is about to begin.
    Intent {
        /// Version of this record.
        format: u32,
        /// Its number within the journal, from 1.
        seq: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// Title of the step.
        step: String,
        /// What is changed.
        resource: Box<Resource>,
        /// How.
        difference: Difference,
        /// What was there.
        prior: Prior,
    },
    /// A change has ended.
    Outcome {
        /// Version of this record.
        format: u32,
        /// The intent's number.
        intent: u64,
        /// The host's clock, milliseconds since 1970 UTC.
        at_millis: u64,
        /// How it ended.
        result: Ending,
        /// Why it failed, or which run observed it.
        message: String,
    },
    /// The agent ended in order and no intent was open.
    End {
        /// Version of this record.
        format: u32,
    },
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Changed, and verified.
    Changed,
    /// Tried, and nothing has changed.
    Unchanged,
    /// Failed.
    Failed,
    /// Left open by a crash, and observed by a later run.
    Observed,
}

/// A run's journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    next: AtomicU64,
    open: Mutex<BTreeSet<u64>>,
    writer: Mutex<Option<(Sender<Entry>, std::thread::JoinHandle<()>)>>,
}

/// A line for the writer, and who waits until it is on disk.
struct Entry {
    line: Vec<u8>,
    durable: Option<oneshot::Sender<io::Result<()>>>,
}

impl Journal {
    /// Opens or creates the journal of `run` in a folder that exists.
    pub(crate) fn open(directory: &Path, run: &RunId) -> io::Result<Self> {
        let path = file(directory, run);
        let existing = read(&path)?;
        let open = open_intents(&existing);
        let last = existing.iter().filter_map(|record| if let Record::Intent { seq, .. } = record { Some(*seq) } else { None }).max();
        let created = !path.exists();
        let mut file = fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        if ends_torn(&mut file)? {
            // A crash cut the last line; what follows must not join it.
            file.write_all(b"\n")?;
        }
        if created {
            fs::File::open(directory)?.sync_all()?;
        }
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || write_entries(&mut file, &receiver))?;
        Ok(Self {
            next: AtomicU64::new(last.unwrap_or(0) + 1),
            open: Mutex::new(open.into_keys().collect()),
            writer: Mutex::new(Some((sender, thread))),
        })
    }

    /// Records an intent; it is on disk when this returns.
    pub(crate) async fn intent(&self, step: &str, resource: &Resource, difference: &Difference, prior: Prior) -> io::Result<u64> {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let (step, resource, difference) = (step.to_owned(), Box::new(resource.clone()), difference.clone());
        let record = Record::Intent { format: FORMAT, seq, at_millis: now_millis(), step, resource, difference, prior };
        let (sender, receiver) = oneshot::channel();
        self.lock_open().insert(seq);
        self.send(&record, Some(sender))?;
        receiver.await.map_err(|_| io::Error::other("the journal's writer has ended"))??;
        Ok(seq)
    }

    /// Records an outcome; it is on disk soon.
    pub(crate) fn outcome(&self, intent: u64, result: Ending, message: &str) -> io::Result<()> {
        self.send(&Record::Outcome { format: FORMAT, intent, at_millis: now_millis(), result, message: message.to_owned() }, None)?;
        self.lock_open().remove(&intent);
        Ok(())
    }

    /// Ends the journal; all of it is on disk when this returns. Blocks.
    pub(crate) fn close(&self) -> io::Result<()> {
        if self.lock_open().is_empty() {
            self.send(&Record::End { format: FORMAT }, None)?;
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = writer {
            drop(sender);
            thread.join().map_err(|_| io::Error::other("the journal's writer has failed"))?;
        }
        Ok(())
    }

    fn lock_open(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, record: &Record, durable: Option<oneshot::Sender<io::Result<()>>>) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = writer.as_ref().is_some_and(|(sender, _)| sender.send(Entry { line, durable }).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("the journal is closed")) }
    }
}

/// Writes what comes, many lines at a time: one sync serves all intents that wait.
fn write_entries(file: &mut fs::File, entries: &Receiver<Entry>) {
    let mut sync_at: Option<Instant> = None;
    loop {
        let first = match sync_at {
            None => entries.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => entries.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let first = match first {
            Ok(entry) => entry,
            Err(reason) => {
                if sync_at.take().is_some() {
                    warn_of(file.sync_data());
                }
                if reason == RecvTimeoutError::Disconnected {
                    return;
                }
                continue;
            }
        };
        let batch: Vec<Entry> = std::iter::once(first).chain(entries.try_iter()).collect();
        let lines: Vec<u8> = batch.iter().flat_map(|entry| entry.line.iter().copied()).collect();
        let durable = batch.iter().any(|entry| entry.durable.is_some());
        let mut written = file.write_all(&lines);
        if durable {
            written = written.and_then(|()| file.sync_data());
            sync_at = None;
        } else {
            sync_at = sync_at.or_else(|| Some(Instant::now() + OUTCOME_DELAY));
        }
        for waiting in batch.into_iter().filter_map(|entry| entry.durable) {
            let result = written.as_ref().copied().map_err(|error| io::Error::new(error.kind(), error.to_string()));
            let _nobody_waits = waiting.send(result);
        }
        warn_of(written);
    }
}

fn warn_of(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the journal cannot be written");
    }
}

fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn file(directory: &Path, run: &RunId) -> PathBuf {
    directory.join(format!("{run}.jsonl"))
}

fn ends_torn(file: &mut fs::File) -> io::Result<bool> {
    if file.seek(io::SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(io::SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads a run's journal from `directory` (`/var/lib/barque/journal`); empty when there is none. Lines that a crash cut, or that a
/// newer version wrote, are left out.
pub fn read_journal(directory: &Path, run: &RunId) -> io::Result<Vec<Record>> {
    read(&file(directory, run))
}

fn read(path: &Path) -> io::Result<Vec<Record>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Intents without an outcome: number to step and resource.
fn open_intents(records: &[Record]) -> BTreeMap<u64, (String, Resource)> {
    let mut open = BTreeMap::new();
    for record in records {
        match record {
            Record::Intent { seq, step, resource, .. } => drop(open.insert(*seq, (step.clone(), Resource::clone(resource)))),
            Record::Outcome { intent, .. } => drop(open.remove(intent)),
            Record::End { .. } => {}
        }
    }
    open
}

/// Finds intents that no outcome closes, in all journals. A journal that ended in order is not read beyond its last line.
pub(crate) fn scan(directory: &Path) -> io::Result<Vec<crate::OpenIntent>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let run = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")?.parse::<RunId>().ok());
        let Some(run) = run else { continue };
        if ended_in_order(&path)? {
            continue;
        }
        let intents = open_intents(&read(&path)?);
        found.extend(intents.into_iter().map(|(seq, (step, resource))| crate::OpenIntent {
            run: run.clone(),
            seq,
            step,
            resource: resource.id(),
        }));
    }
    found.sort_by(|left, right| (&left.run, left.seq).cmp(&(&right.run, right.seq)));
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
