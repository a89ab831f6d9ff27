//! The dead-man switch, seen from the operator's side: armed on every host before the first change that may cut the operator off, and
//! confirmed over connections that were made after the last one.
//!
//! A connection that is there says nothing: rules that refuse every new one let it live. So each host is reached once more, on the same
//! way as at the start. Only when all can be reached is any of them confirmed; otherwise every host takes the run back, those that can
//! be told so at once, the others when their time is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use barque_agent::{AgentClient, ArmRequest};
use barque_event::{Failure, StepOutcome};
use barque_model::{HostName, RunId};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::dial::Connected;
use crate::links::Links;

/// Kept of a host's time: confirming itself takes as long at most.
const RESERVE: Duration = Duration::from_secs(3);
/// How long the end of a new connection's agent is waited for.
const CLOSING: Duration = Duration::from_millis(500);
/// Pause between two tries to reach a host.
const PAUSE: Duration = Duration::from_secs(1);

/// The switches of a run.
pub(crate) struct DeadMan {
    run: RunId,
    /// The run in which hosts take it back.
    undo: RunId,
    /// Armed hosts that are not confirmed, and until when each waits.
    armed: Mutex<BTreeMap<HostName, Instant>>,
}

impl DeadMan {
    /// For `run`, which hosts would take back in a run named `undo`.
    pub(crate) fn new(run: RunId, undo: RunId) -> Self {
        Self { run, undo, armed: Mutex::default() }
    }

    fn armed(&self) -> std::sync::MutexGuard<'_, BTreeMap<HostName, Instant>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a host's switch.
    pub(crate) async fn arm(&self, links: &Links, host: &HostName, seconds: u32) -> Result<StepOutcome, Failure> {
        let lock = links.lock().ok_or_else(|| Failure::new("the run holds no lock"))?;
        let agent = links.agent(host).ok_or_else(|| Failure::new(format!("{host} does not answer any more")))?;
        // By this side's clock a little early: the host counts from later on.
        let until = Instant::now() + Duration::from_secs(seconds.into());
        agent.arm(ArmRequest { lock, undo: self.undo.clone(), seconds }).await?;
        self.armed().insert(host.clone(), until);
        Ok(StepOutcome::Holds)
    }

    /// Connects to each host anew and confirms all of them, or none.
    pub(crate) async fn confirm(&self, links: &Links, hosts: &[HostName]) -> Result<StepOutcome, Failure> {
        let armed = self.armed().clone();
        let reached = join_all(hosts.iter().map(|host| {
            let until = armed.get(host).copied().unwrap_or_else(Instant::now);
            async move { (host, reach(links, host, until).await) }
        }));
        let (mut connected, mut unreached) = (Vec::new(), Vec::new());
        for (host, result) in reached.await {
            match result {
                Ok(connection) => connected.push((host, connection)),
                Err(failure) => unreached.push(*failure),
            }
        }
        let result = match unreached.len() {
            0 => self.confirm_connected(&connected).await,
            count => {
                let failure = unreached.remove(0);
                let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
                Err(Failure { message: format!("{}{more}", failure.message), ..failure })
            }
        };
        let closing = connected.into_iter().map(|(_, Connected { agent, connection })| async move {
            // It has nothing left to do; its host lets it end.
            let _ends_by_itself = tokio::time::timeout(CLOSING, AgentClient::close(agent)).await;
            connection.close().await;
        });
        join_all(closing).await;
        result.map(|()| StepOutcome::Holds)
    }

    async fn confirm_connected(&self, connected: &[(&HostName, Connected)]) -> Result<(), Failure> {
        let answers = join_all(
            connected
                .iter()
                .map(|(host, connected)| async move { (*host, connected.agent.confirm(self.run.clone(), self.undo.clone()).await) }),
        );
        let mut first = Ok(());
        for (host, answer) in answers.await {
            match answer {
                Ok(()) => drop(self.armed().remove(host)),
                Err(error) if first.is_ok() => first = Err(Failure { host: Some(host.clone()), ..Failure::from(error) }),
                Err(_) => {}
            }
        }
        first
    }

    /// Lets every host that is armed still take the run back: at once where it can be told, else when its time is over. Names them.
    pub(crate) async fn give_up(&self, links: &Links, reason: &str) -> Vec<HostName> {
        let armed = std::mem::take(&mut *self.armed());
        let telling = armed.keys().map(|host| async move {
            if let Some(agent) = links.agent(host)
                && let Err(error) = agent.fire(self.run.clone(), reason.to_owned()).await
            {
                tracing::info!(%host, %error, "its timer takes the run back");
            }
        });
        join_all(telling).await;
        armed.into_keys().collect()
    }
}

/// Makes a new connection, and tries again until the host is about to take the run back.
async fn reach(links: &Links, host: &HostName, until: Instant) -> Result<Connected, Box<Failure>> {
    let last_try = until.checked_sub(RESERVE).unwrap_or(until);
    loop {
        let problem = match tokio::time::timeout_at(last_try, links.beside(host)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(problem)) if !problem.may_pass || Instant::now() + PAUSE >= last_try => problem.message,
            Ok(Err(_)) => {
                sleep(PAUSE).await;
                continue;
            }
            Err(_elapsed) => "it does not answer".to_owned(),
        };
        let failure = Failure::new(format!("no new connection to {host} after the change: {problem}"))
            .with_hint("every host takes the change back by itself; `barque runs` shows it when they have");
        return Err(Box::new(Failure { host: Some(host.clone()), ..failure }));
    }
}
