//! What one agent process keeps between requests.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barque_event::Failure;
use barque_host::{HostContext, Listener, sync_blobs};
use barque_kube::KubeError;
use barque_model::{Digest, KubeAccess, RunId};
use barque_plan::{Resource, ResourceId};
use fs_err as fs;
use tokio::sync::{OwnedMutexGuard, RwLockReadGuard, RwLockWriteGuard};

use crate::journal::{Ending, Journal, OpenChange, scan};
use crate::lock::{self, HostLock, PATIENCE};
use crate::peers::Offer;
use crate::{LockAnswer, LockRequest, OpenIntent, dead_man};

/// Shared by all requests of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) context: HostContext,
    /// Whether only requests that read are answered.
    pub(crate) read_only: bool,
    locks: Mutex<HashMap<ResourceId, Arc<tokio::sync::Mutex<()>>>>,
    journals: tokio::sync::Mutex<HashMap<RunId, Arc<Journal>>>,
    open_changes: Mutex<Vec<OpenChange>>,
    received: Mutex<Vec<Digest>>,
    kube: Mutex<Option<(KubeAccess, barque_kube::Client)>>,
    run_lock: tokio::sync::Mutex<Option<HostLock>>,
    /// Read by what changes something, written by pruning: what is about to be in a journal must not be pruned.
    changing: tokio::sync::RwLock<()>,
    forget: AtomicBool,
    listener: tokio::sync::Mutex<Option<Listener>>,
    offer: Mutex<Option<Offer>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Begins a session: looks for changes that were left open.
    pub(crate) fn begin(context: HostContext) -> io::Result<Self> {
        let open_changes = scan(&context.state("journal"))?;
        Ok(Self {
            context,
            read_only: false,
            locks: Mutex::default(),
            journals: tokio::sync::Mutex::default(),
            open_changes: Mutex::new(open_changes),
            received: Mutex::default(),
            kube: Mutex::default(),
            run_lock: tokio::sync::Mutex::default(),
            changing: tokio::sync::RwLock::default(),
            forget: AtomicBool::new(false),
            listener: tokio::sync::Mutex::default(),
            offer: Mutex::default(),
        })
    }

    /// The same, answering only what reads.
    pub(crate) fn only_reading(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// Changes that earlier runs left open.
    pub(crate) fn open_intents(&self) -> Vec<OpenIntent> {
        locked(&self.open_changes).iter().map(|change| change.intent.clone()).collect()
    }

    /// Held while something is changed.
    pub(crate) async fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.changing.read().await
    }

    /// Held while nothing may be changed.
    pub(crate) async fn pruning(&self) -> RwLockWriteGuard<'_, ()> {
        self.changing.write().await
    }

    /// Takes the host's run lock, until the session ends.
    pub(crate) async fn lock_run(&self, request: &LockRequest) -> Result<LockAnswer, Failure> {
        let mut held = self.run_lock.lock().await;
        {
            let (context, request) = (self.context.clone(), request.clone());
            if let Some(failure) = blocking(move || dead_man::blocks(&context, &request)).await?? {
                return Err(failure);
            }
        }
        if let Some(held) = held.as_mut() {
            lock::rename(held, request)?;
            return Ok(LockAnswer::Taken);
        }
        let (answer, taken) = lock::take(&self.context, request, PATIENCE).await?;
        if taken.is_some() {
            crate::store::clean(&self.context);
        }
        *held = taken;
        Ok(answer)
    }

    /// What listens for a test of the network.
    pub(crate) async fn listener(&self) -> tokio::sync::MutexGuard<'_, Option<Listener>> {
        self.listener.lock().await
    }

    /// Offers contents to other hosts, or none any more. What listened before does not any more.
    pub(crate) fn offer(&self, offer: Option<Offer>) {
        *locked(&self.offer) = offer;
    }

    /// At the end of the session barque's own folder goes.
    pub(crate) fn forget(&self) {
        self.forget.store(true, Ordering::Relaxed);
    }

    /// Waits until no other request works on the resource.
    pub(crate) async fn lock(&self, resource: &ResourceId) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(locked(&self.locks).entry(resource.clone()).or_default());
        lock.lock_owned().await
    }

    /// The journal of `run`.
    pub(crate) async fn journal(&self, run: &RunId) -> Result<Arc<Journal>, Failure> {
        let mut journals = self.journals.lock().await;
        if let Some(journal) = journals.get(run) {
            return Ok(Arc::clone(journal));
        }
        // Nothing is changed without a journal: the first one that is opened comes before the first change.
        let cut_off: Vec<Resource> = if journals.is_empty() {
            locked(&self.open_changes).iter().map(|change| change.resource.clone()).collect()
        } else {
            Vec::new()
        };
        let (context, name) = (self.context.clone(), run.clone());
        let opened = blocking(move || {
            for resource in &cut_off {
                barque_host::remove_temporaries(&context, resource);
            }
            Journal::open(&context.state("journal"), &name)
        })
        .await?;
        let journal = Arc::new(opened.map_err(|error| Failure::new(format!("the journal of the run cannot be opened: {error}")))?);
        journals.insert(run.clone(), Arc::clone(&journal));
        Ok(journal)
    }

    /// Closes what earlier runs left open on a resource. `seen` is what is there now, if nothing had to be changed for it; what an earlier run
    /// meant to be there is no success when something else is.
    pub(crate) async fn close_open_intents(&self, resource: &ResourceId, run: &RunId, seen: Option<&Resource>) {
        let closed: Vec<OpenChange> = {
            let mut open = locked(&self.open_changes);
            let (closed, kept) = open.drain(..).partition(|change| change.intent.resource == *resource);
            *open = kept;
            closed
        };
        for OpenChange { intent, resource } in closed {
            let (ending, message) = match seen {
                Some(seen) if *seen != resource => (Ending::Failed, format!("observed by run {run} in another state")),
                _ => (Ending::Observed, format!("observed by run {run}")),
            };
            // Best effort: it is found again otherwise, and observed again.
            let Ok(journal) = self.journal(&intent.run).await else { continue };
            if let Err(error) = journal.outcome(intent.seq, ending, &message) {
                tracing::warn!(%error, "an open intent cannot be closed");
            }
        }
    }

    /// Waits until all that was recorded so far can be read from the journals.
    pub(crate) async fn flush_journals(&self) -> Result<(), Failure> {
        let journals: Vec<Arc<Journal>> = self.journals.lock().await.values().cloned().collect();
        for journal in journals {
            journal.flush().await.map_err(crate::apply::journal_failure)?;
        }
        Ok(())
    }

    /// Closes the journals of runs that are about to be forgotten. Blocks.
    pub(crate) fn close_journals(&self, runs: &[RunId]) -> io::Result<()> {
        let mut journals = self.journals.blocking_lock();
        runs.iter().filter_map(|run| journals.remove(run)).try_for_each(|journal| journal.close())
    }

    /// The blobs that arrived and are not synced yet.
    pub(crate) fn received(&self) -> Vec<Digest> {
        locked(&self.received).clone()
    }

    /// Notes a blob that must be synced at the end.
    pub(crate) fn note_received(&self, digest: Digest) {
        locked(&self.received).push(digest);
    }

    /// A client of the Kubernetes API; the last one is kept, so that a run makes one connection.
    pub(crate) fn kube(&self, access: &KubeAccess) -> Result<barque_kube::Client, KubeError> {
        let mut kept = locked(&self.kube);
        if let Some((_, client)) = kept.as_ref().filter(|(known, _)| known == access) {
            return Ok(client.clone());
        }
        let client = barque_kube::Client::connect(access)?;
        *kept = Some((access.clone(), client.clone()));
        Ok(client)
    }

    /// Ends the session: journals are on disk, and the blobs that arrived; or nothing of barque is there any more.
    pub(crate) async fn finish(&self) -> io::Result<()> {
        let journals: Vec<Arc<Journal>> = self.journals.lock().await.drain().map(|(_, journal)| journal).collect();
        let (context, received) = (self.context.clone(), std::mem::take(&mut *locked(&self.received)));
        let forget = self.forget.load(Ordering::Relaxed);
        let finished = tokio::task::spawn_blocking(move || {
            for journal in journals {
                journal.close()?;
            }
            if forget { remove_state(&context) } else { sync_blobs(&context, &received).map_err(io::Error::other) }
        });
        let finished = finished.await.map_err(io::Error::other)?;
        drop(self.run_lock.lock().await.take());
        finished
    }
}

/// Removes barque's own folder, with the program that runs: a running program may lose its name.
fn remove_state(context: &HostContext) -> io::Result<()> {
    let directory = context.path(barque_host::STATE_DIRECTORY);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => directory.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all()),
    }
}

/// Runs blocking work on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::new(format!("the agent failed: {error}")))
}
