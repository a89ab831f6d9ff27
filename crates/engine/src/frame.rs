//! What every changing run has in common: the locks, the run's directory, its events and its receipt.

use std::path::PathBuf;
use std::time::Instant;

use barque_agent::{LockAnswer, LockRequest};
use barque_event::{EventKind, RunOutcome};
use barque_model::{HostName, RunId};
use barque_store::{Lock, LockOwner, OnStaleLock, StateDirectory};
use futures::future::join_all;
use serde::Serialize;

use crate::{Context, EngineError, Events, Sessions};

/// A changing run from its first event to its last.
pub(crate) struct Frame {
    pub(crate) run: RunId,
    pub(crate) state: StateDirectory,
    /// The run's directory.
    pub(crate) directory: PathBuf,
    pub(crate) begun: Instant,
    owner: LockOwner,
    _lock: Lock,
    events: Events,
}

/// How a run ended, for its last event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) outcome: RunOutcome,
    pub(crate) changed: u32,
    pub(crate) unchanged: u32,
    pub(crate) failed: u32,
}

impl Frame {
    /// Takes the state directory's lock and begins the run's log.
    pub(crate) fn begin(context: &Context, run: RunId, owner: LockOwner, events: &Events) -> Result<Self, EngineError> {
        let begun = Instant::now();
        let state = StateDirectory::open_or_create(&context.state)?;
        let on_stale = if context.options.break_lock { OnStaleLock::Break } else { OnStaleLock::Refuse };
        let lock = state.lock(&owner, on_stale)?;
        let directory = state.runs().create(&run)?;
        directory.write_spec(context.text.as_bytes())?;
        let path = directory.path().to_path_buf();
        events.log_to(directory);
        events.send(EventKind::RunStarted {
            run: run.clone(),
            cluster: context.cluster.name.clone(),
            verb: owner.verb.clone(),
            operator: Some(format!("{}@{}", owner.user, owner.machine)),
            hosts: context.cluster.hosts.iter().map(|host| host.name.clone()).collect(),
        });
        Ok(Self { run, state, directory: path, begun, owner, _lock: lock, events: events.clone() })
    }

    /// Takes the run lock of every connected host: one run per cluster, from whichever machine.
    pub(crate) async fn lock_hosts(&self, context: &Context, sessions: &Sessions) -> Result<(), EngineError> {
        let owner = serde_json::to_string(&self.owner).unwrap_or_default();
        let path = fs_err::canonicalize(self.state.path()).unwrap_or_else(|_| self.state.path().to_owned());
        let origin = format!("{}:{}", self.owner.machine, path.display());
        let request = LockRequest { owner, run: self.run.clone(), origin, break_lock: context.options.break_lock };
        sessions.links().remember_lock(request.clone());
        let answers = sessions.agents().into_iter().map(|(host, agent)| {
            let request = request.clone();
            async move { (host, agent.lock(request).await) }
        });
        for (host, answer) in join_all(answers).await {
            match answer {
                Ok(LockAnswer::Taken) => {}
                Ok(LockAnswer::Held { owner }) => return Err(held(host, &owner)),
                Err(error) => return Err(EngineError::Observe { host, message: error.to_string() }),
            }
        }
        Ok(())
    }

    /// Milliseconds since the run began.
    pub(crate) fn millis(&self) -> u64 {
        millis(self.begun)
    }

    /// Keeps the plan in the run's directory.
    pub(crate) fn write_plan(&self, plan: &impl Serialize) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(plan).unwrap_or_default();
        Ok(fs_err::write(self.directory.join("plan.json"), text).map_err(barque_store::RunError::from)?)
    }

    /// Sends the last event and writes the receipt.
    pub(crate) fn finish<T: Serialize>(self, result: Result<(T, Ended), EngineError>) -> Result<T, EngineError> {
        let (receipt, ended) = match &result {
            Ok((report, ended)) => (serde_json::to_vec_pretty(report).unwrap_or_default(), *ended),
            Err(error) => {
                let receipt = serde_json::json!({ "run": self.run, "error": error.to_string() });
                let ended = Ended { outcome: RunOutcome::Failed, changed: 0, unchanged: 0, failed: 1 };
                (serde_json::to_vec_pretty(&receipt).unwrap_or_default(), ended)
            }
        };
        let Ended { outcome, changed, unchanged, failed } = ended;
        self.events.send(EventKind::RunFinished { outcome, changed, unchanged, failed, millis: self.millis() });
        self.events.finish_log(&receipt)?;
        result.map(|(report, _)| report)
    }
}

pub(crate) fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn held(host: HostName, owner: &str) -> EngineError {
    let owner = serde_json::from_str::<LockOwner>(owner).map_or_else(|_| "a run that cannot be read".to_owned(), |owner| owner.to_string());
    EngineError::HostLock { host, owner }
}
