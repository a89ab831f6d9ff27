//! A journal that is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use barque_model::RunId;
use barque_plan::{Difference, Prior, Resource};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use tokio::sync::oneshot;

use super::read::{open_intents, place, read};
use super::record::FORMAT;
use super::{Ending, NodeFormer, Record};

/// How long an outcome may wait for its sync.
const OUTCOME_DELAY: Duration = Duration::from_millis(50);

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
        let path = place(directory, run);
        let existing = read(&path)?;
        let open = open_intents(&existing);
        let last = existing.iter().filter_map(Record::seq).max();
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

    /// Records the intent to make a resource so; it is on disk when this returns.
    pub(crate) async fn intent(&self, step: &str, resource: &Resource, difference: &Difference, prior: Prior) -> io::Result<u64> {
        let (step, resource, difference) = (step.to_owned(), Box::new(resource.clone()), difference.clone());
        self.begin(|seq, at_millis| Record::Intent { format: FORMAT, seq, at_millis, step, resource, difference, prior }).await
    }

    /// Records the intent to bring a resource back to `target`, as it was before the run `before`; it is on disk when this returns.
    pub(crate) async fn restore(&self, step: &str, resource: &Resource, target: Prior, prior: Prior, before: &RunId) -> io::Result<u64> {
        let (step, resource, before) = (step.to_owned(), Box::new(resource.clone()), before.clone());
        self.begin(|seq, at_millis| Record::Restore { format: FORMAT, seq, at_millis, step, resource, target, prior, before }).await
    }

    /// Records the intent to apply a cluster object (JSON), with the object as it was; it is on disk when this returns.
    pub(crate) async fn object(&self, step: &str, object: &str, prior: Option<String>) -> io::Result<u64> {
        let (step, object) = (step.to_owned(), object.to_owned());
        self.begin(|seq, at_millis| Record::ObjectIntent { format: FORMAT, seq, at_millis, step, object, prior }).await
    }

    /// Records the intent to delete a cluster object (JSON), with the object as it was; it is on disk when this returns.
    pub(crate) async fn removal(&self, step: &str, object: &str, prior: String) -> io::Result<u64> {
        let (step, object) = (step.to_owned(), object.to_owned());
        self.begin(|seq, at_millis| Record::ObjectRemoval { format: FORMAT, seq, at_millis, step, object, prior }).await
    }

    /// Records the intent to set labels and taints of a node, with what they were; it is on disk when this returns.
    pub(crate) async fn node(&self, step: &str, node: &str, former: NodeFormer) -> io::Result<u64> {
        let (step, node) = (step.to_owned(), node.to_owned());
        let NodeFormer { labels, taints_added, taints_former } = former;
        self.begin(|seq, at_millis| Record::NodeIntent { format: FORMAT, seq, at_millis, step, node, labels, taints_added, taints_former })
            .await
    }

    /// Records the intent to take changes in the cluster back to before the run `before`, with what the nodes among them were; it is on
    /// disk when this returns.
    pub(crate) async fn kube_restore(
        &self,
        step: &str,
        before: &RunId,
        names: Vec<String>,
        nodes: BTreeMap<String, NodeFormer>,
    ) -> io::Result<u64> {
        let (step, before) = (step.to_owned(), before.clone());
        self.begin(|seq, at_millis| Record::KubeRestore { format: FORMAT, seq, at_millis, step, before, names, nodes }).await
    }

    /// Records that the dead-man switch takes `run` back, and why; it is on disk when this returns.
    pub(crate) async fn take_back(&self, run: &RunId, reason: &str) -> io::Result<()> {
        let record = Record::TakeBack { format: FORMAT, at_millis: now_millis(), run: run.clone(), reason: reason.to_owned() };
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.durable(line).await
    }

    /// Writes the record that `make` makes of a number and the time, and waits until it is on disk.
    async fn begin(&self, make: impl FnOnce(u64, u64) -> Record) -> io::Result<u64> {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let record = make(seq, now_millis());
        self.lock_open().insert(seq);
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.durable(line).await?;
        Ok(seq)
    }

    /// Records an outcome; it is on disk soon.
    pub(crate) fn outcome(&self, intent: u64, result: Ending, message: &str) -> io::Result<()> {
        self.send(&Record::Outcome { format: FORMAT, intent, at_millis: now_millis(), result, message: message.to_owned() })?;
        self.lock_open().remove(&intent);
        Ok(())
    }

    /// Waits until all that was recorded so far is on disk.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        self.durable(Vec::new()).await
    }

    async fn durable(&self, line: Vec<u8>) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.pass(Entry { line, durable: Some(sender) })?;
        receiver.await.map_err(|_| io::Error::other("the journal's writer has ended"))?
    }

    /// Ends the journal; all of it is on disk when this returns. Blocks.
    pub(crate) fn close(&self) -> io::Result<()> {
        if self.lock_open().is_empty() {
            self.send(&Record::End { format: FORMAT })?;
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

    fn send(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.pass(Entry { line, durable: None })
    }

    fn pass(&self, entry: Entry) -> io::Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = writer.as_ref().is_some_and(|(sender, _)| sender.send(entry).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("the journal is closed")) }
    }
}

/// Writes what comes, many lines at a time: one sync serves all intents that wait.
fn write_entries(file: &mut fs::File, entries: &Receiver<Entry>) {
    let mut sync_at: Option<Instant> = None;
    // Whether a full disk may have cut a line; what follows must not join it.
    let mut torn = false;
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
        let separator: &[u8] = if torn { b"\n" } else { b"" };
        let lines: Vec<u8> = separator.iter().chain(batch.iter().flat_map(|entry| &entry.line)).copied().collect();
        let durable = batch.iter().any(|entry| entry.durable.is_some());
        let mut written = file.write_all(&lines);
        torn = written.is_err();
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

fn ends_torn(file: &mut fs::File) -> io::Result<bool> {
    if file.seek(io::SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(io::SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
