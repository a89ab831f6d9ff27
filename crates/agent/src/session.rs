//! What one agent process keeps between requests.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use barque_event::Failure;
use barque_host::{HostContext, sync_blobs};
use barque_kube::KubeError;
use barque_model::{Digest, KubeAccess, RunId};
use barque_plan::ResourceId;
use tokio::sync::OwnedMutexGuard;

use crate::OpenIntent;
use crate::journal::{Ending, Journal, scan};

/// Shared by all requests of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) context: HostContext,
    locks: Mutex<HashMap<ResourceId, Arc<tokio::sync::Mutex<()>>>>,
    journals: tokio::sync::Mutex<HashMap<RunId, Arc<Journal>>>,
    open_intents: Mutex<Vec<OpenIntent>>,
    received: Mutex<Vec<Digest>>,
    kube: Mutex<Option<(KubeAccess, barque_kube::Client)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Begins a session: looks for changes that were left open.
    pub(crate) fn begin(context: HostContext) -> io::Result<Self> {
        let open_intents = scan(&context.state("journal"))?;
        Ok(Self {
            context,
            locks: Mutex::default(),
            journals: tokio::sync::Mutex::default(),
            open_intents: Mutex::new(open_intents),
            received: Mutex::default(),
            kube: Mutex::default(),
        })
    }

    /// Changes that earlier runs left open.
    pub(crate) fn open_intents(&self) -> Vec<OpenIntent> {
        locked(&self.open_intents).clone()
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
        let (directory, name) = (self.context.state("journal"), run.clone());
        let opened = blocking(move || Journal::open(&directory, &name)).await?;
        let journal = Arc::new(opened.map_err(|error| Failure::new(format!("the journal of the run cannot be opened: {error}")))?);
        journals.insert(run.clone(), Arc::clone(&journal));
        Ok(journal)
    }

    /// Closes what earlier runs left open on a resource that has now been observed.
    pub(crate) async fn close_open_intents(&self, resource: &ResourceId, run: &RunId) {
        let closed: Vec<OpenIntent> = {
            let mut open = locked(&self.open_intents);
            let (closed, kept) = open.drain(..).partition(|intent| intent.resource == *resource);
            *open = kept;
            closed
        };
        for intent in closed {
            // Best effort: it is found again otherwise, and observed again.
            let Ok(journal) = self.journal(&intent.run).await else { continue };
            if let Err(error) = journal.outcome(intent.seq, Ending::Observed, &format!("observed by run {run}")) {
                tracing::warn!(%error, "an open intent cannot be closed");
            }
        }
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

    /// Ends the session: journals are on disk, and the blobs that arrived.
    pub(crate) async fn finish(&self) -> io::Result<()> {
        let journals: Vec<Arc<Journal>> = self.journals.lock().await.drain().map(|(_, journal)| journal).collect();
        let (context, received) = (self.context.clone(), std::mem::take(&mut *locked(&self.received)));
        let finished = tokio::task::spawn_blocking(move || {
            for journal in journals {
                journal.close()?;
            }
            sync_blobs(&context, &received).map_err(io::Error::other)
        });
        finished.await.map_err(io::Error::other)?
    }
}

/// Runs blocking work on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::new(format!("the agent failed: {error}")))
}
