//! Numbers events and hands them to every reader: the run's log first, then whoever watches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barque_event::{EventKind, RunEvent};
use barque_model::HostName;
use barque_plan::StepId;
use barque_store::{RunDirectory, RunError};
use tokio::sync::mpsc;

/// Receives a run's events.
pub type EventReader = mpsc::UnboundedReceiver<RunEvent>;

/// Sends a run's events. Clones share one numbering.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    next: u64,
    log: Option<RunDirectory>,
    readers: mpsc::UnboundedSender<RunEvent>,
}

impl Events {
    /// Makes a stream and its reader.
    pub fn new() -> (Self, EventReader) {
        let (readers, reader) = mpsc::unbounded_channel();
        (Self { inner: Arc::new(Mutex::new(Inner { next: 1, log: None, readers })) }, reader)
    }

    /// Writes every later event to the run's log too.
    pub(crate) fn log_to(&self, directory: RunDirectory) {
        self.locked().log = Some(directory);
    }

    /// Ends the run's log; what follows is not written there.
    pub(crate) fn finish_log(&self, receipt: &[u8]) -> Result<(), RunError> {
        let log = self.locked().log.take();
        log.map_or(Ok(()), |log| log.finish(receipt))
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // A poisoned lock means that another sender panicked; its event is lost, the stream goes on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what concerns the run as a whole.
    pub fn send(&self, kind: EventKind) {
        self.emit(None, None, kind);
    }

    /// Sends what concerns a host.
    pub fn host(&self, host: &HostName, kind: EventKind) {
        self.emit(Some(host.clone()), None, kind);
    }

    /// Sends what concerns a step.
    pub fn step(&self, host: Option<&HostName>, step: StepId, kind: EventKind) {
        self.emit(host.cloned(), Some(step.0), kind);
    }

    fn emit(&self, host: Option<HostName>, step: Option<u32>, kind: EventKind) {
        let mut inner = self.locked();
        let event = RunEvent { seq: inner.next, at: jiff::Timestamp::now(), host, step, kind };
        inner.next += 1;
        if let Some(log) = &mut inner.log
            && let Err(error) = log.append(&event)
        {
            tracing::warn!(%error, "could not write an event to the run's log");
        }
        // Nobody may be watching; that is no error.
        let _ = inner.readers.send(event);
    }
}
