//! What each run was and did.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use barque_event::{EventKind, RunEvent, RunOutcome, StepOutcome};
use barque_model::{ClusterName, InvalidName, RunId};
use jiff::Timestamp;

use crate::{EventTail, files, started_at};

/// Why a run's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read or written.
    #[error("failed to use the run's files")]
    Io(#[from] io::Error),
    /// The clock shows a time that no identifier of a run can have.
    #[error("the clock of this machine is wrong (set it, then run this again)")]
    Clock(#[from] InvalidName),
    /// A line of the event log is not an event that this barque knows.
    #[error("`{path}` line {line} is not an event")]
    Event {
        /// The file.
        path: PathBuf,
        /// Line number from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The runs of a state directory.
#[derive(Debug, Clone)]
pub struct Runs {
    directory: PathBuf,
}

/// The events of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLog {
    /// The events in order.
    pub events: Vec<RunEvent>,
    /// Whether the last line was cut off, as a crash leaves it; it is not among the events.
    pub cut_off: bool,
}

/// A run in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its identifier.
    pub run: RunId,
    /// The cluster, if the run got as far as saying so.
    pub cluster: Option<ClusterName>,
    /// The verb, such as `up`.
    pub verb: Option<String>,
    /// Who started it, `user@machine`; runs of early versions do not say.
    pub operator: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// How it ended; `None` when it still runs or died.
    pub outcome: Option<RunOutcome>,
    /// Steps that changed something, so far.
    pub changed: u32,
    /// The time of its last event.
    pub last_event: Option<Timestamp>,
}

impl Runs {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes the directory of a new run.
    pub fn create(&self, run: &RunId) -> Result<RunDirectory, RunError> {
        files::create_directory(&self.directory)?;
        let path = self.path(run);
        files::create_new_directory(&path)?;
        let events = files::private_options().append(true).create_new(true).open(path.join("events.jsonl"))?;
        files::sync_directory(&path)?;
        files::sync_directory(&self.directory)?;
        Ok(RunDirectory { run: run.clone(), path, events, length: 0 })
    }

    /// The directory of a run, whether it exists or not.
    pub fn path(&self, run: &RunId) -> PathBuf {
        self.directory.join(run.as_str())
    }

    /// All runs, newest first.
    pub fn list(&self) -> Result<Vec<RunId>, RunError> {
        let entries = match fs_err::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut runs = Vec::new();
        for entry in entries {
            // Whatever else lies there is not ours.
            runs.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RunId>().ok()));
        }
        // The identifier begins with the time, so the order of text is the order of time.
        runs.sort_by(|left, right| right.cmp(left));
        Ok(runs)
    }

    /// The events of a run.
    pub fn events(&self, run: &RunId) -> Result<EventLog, RunError> {
        let path = self.path(run).join("events.jsonl");
        let text = fs_err::read(&path)?;
        let mut events = Vec::new();
        let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        // What follows the last line feed is nothing, or a line that was never finished.
        let rest = lines.pop().unwrap_or_default();
        for (line, number) in lines.into_iter().zip(1..) {
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                Err(source) => return Err(RunError::Event { path, line: number, source }),
            }
        }
        Ok(EventLog { events, cut_off: !rest.is_empty() })
    }

    /// A run in a line.
    pub fn summary(&self, run: &RunId) -> Result<RunSummary, RunError> {
        let log = self.events(run)?;
        let mut summary = RunSummary {
            run: run.clone(),
            cluster: None,
            verb: None,
            operator: None,
            started: started_at(run),
            outcome: None,
            changed: 0,
            last_event: log.events.last().map(|event| event.at),
        };
        for event in log.events {
            match event.kind {
                EventKind::RunStarted { cluster, verb, operator, .. } => {
                    (summary.cluster, summary.verb, summary.operator) = (Some(cluster), Some(verb), operator);
                }
                EventKind::StepFinished { outcome: StepOutcome::Changed, .. } => summary.changed += 1,
                // Its count leaves out transfers, which are steps too.
                EventKind::RunFinished { outcome, changed, .. } => (summary.outcome, summary.changed) = (Some(outcome), changed),
                _ => {}
            }
        }
        Ok(summary)
    }

    /// Reads a run's events as they are written.
    pub fn follow(&self, run: &RunId) -> Result<EventTail, RunError> {
        EventTail::open(self.path(run).join("events.jsonl"))
    }

    /// A file of a run, such as `receipt.json`; `None` when the run has none.
    pub fn read(&self, run: &RunId, file: &str) -> Result<Option<Vec<u8>>, RunError> {
        match fs_err::read(self.path(run).join(file)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The directory of the run that is going on.
#[derive(Debug)]
pub struct RunDirectory {
    run: RunId,
    path: PathBuf,
    events: fs_err::File,
    /// Bytes of whole lines in the event log.
    length: u64,
}

impl RunDirectory {
    /// The run.
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the cluster file as it is now.
    pub fn write_spec(&self, yaml: &[u8]) -> Result<(), RunError> {
        Ok(files::replace(&self.path.join("spec.yaml"), yaml)?)
    }

    /// Keeps the plan, as JSON.
    pub fn write_plan(&self, json: &[u8]) -> Result<(), RunError> {
        Ok(files::replace(&self.path.join("plan.json"), json)?)
    }

    /// Appends an event. Other processes see it at once; it survives a crash of the machine from [`Self::finish`] on.
    pub fn append(&mut self, event: &RunEvent) -> Result<(), RunError> {
        let mut line = serde_json::to_vec(event).map_err(io::Error::from)?;
        line.push(b'\n');
        if let Err(error) = self.events.write_all(&line) {
            // Half a line (full disk) would spoil the next one. If cutting it off fails as well, the first error says enough.
            let _ = self.events.set_len(self.length);
            return Err(error.into());
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Ends the run: the event log is on the disk before the receipt says that it is whole.
    pub fn finish(self, receipt_json: &[u8]) -> Result<(), RunError> {
        self.events.sync_all()?;
        Ok(files::replace(&self.path.join("receipt.json"), receipt_json)?)
    }
}
