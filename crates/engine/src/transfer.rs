//! Brings contents to hosts: from the bundle, or from a host that has them already.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use barque_agent::AgentClient;
use barque_event::{EventKind, Failure, StepOutcome};
use barque_model::HostName;
use barque_plan::{Blob, StepId};
use tokio::io::AsyncReadExt as _;

use crate::run_step::Runner;
use crate::spread::Source;

/// What a host has received and will receive, in bytes as the bundle holds them.
#[derive(Debug, Default)]
pub(crate) struct Received {
    from_operator: AtomicU64,
    from_hosts: AtomicU64,
    total: u64,
}

impl Received {
    pub(crate) fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.from_operator.load(Ordering::Relaxed)
    }

    pub(crate) fn fetched(&self) -> u64 {
        self.from_hosts.load(Ordering::Relaxed)
    }

    fn event(&self) -> EventKind {
        let (from_operator, from_hosts) = (self.sent(), self.fetched());
        EventKind::BytesSent { sent: from_operator + from_hosts, total: self.total, from_hosts }
    }
}

impl Runner {
    /// Brings a content into a host's store.
    pub(crate) async fn transfer(&self, host: &HostName, step: StepId, blob: Blob, name: &str) -> Result<StepOutcome, Failure> {
        let agent = self.agent(host)?;
        let Some(spread) = &self.spread else {
            self.send(&agent, host, blob, name).await?;
            return Ok(StepOutcome::Changed);
        };
        let fetched = match spread.source(host, step) {
            Source::Operator => false,
            Source::Hosts(givers) => {
                let (fetched, troubles) = spread.fetch(&agent, host, blob, &givers).await?;
                for trouble in troubles {
                    self.events.host(host, EventKind::Note { text: format!("{name} does not come from {trouble}") });
                }
                fetched
            }
        };
        if fetched {
            self.note_fetched(host, blob);
        } else {
            self.send(&agent, host, blob, name).await?;
        }
        spread.arrived(&agent, host, blob.digest).await;
        Ok(StepOutcome::Changed)
    }

    /// Sends it from the bundle.
    async fn send(&self, agent: &AgentClient, host: &HostName, blob: Blob, name: &str) -> Result<(), Failure> {
        let unreadable = |error: &dyn std::fmt::Display| Failure::new(format!("cannot read {name} from the bundle: {error}"));
        let bundle = self.bundle.as_ref().ok_or_else(|| Failure::new(format!("{name} is not at hand: this run has no bundle")))?;
        let content = bundle.open_blob(&blob.digest).map_err(|error| unreadable(&error))?;
        let size = content.size();
        let received = self.received(host);
        let before = received.map_or(0, Received::sent);
        let report = |sent: u64| {
            let Some(received) = received else { return };
            received.from_operator.store(before + sent, Ordering::Relaxed);
            self.events.host(host, received.event());
        };
        // In a bundle of one file the next blob follows.
        let content = tokio::fs::File::from_std(content.into_file()).take(size);
        Ok(agent.put(blob, content, size, report).await?)
    }

    fn note_fetched(&self, host: &HostName, blob: Blob) {
        let size = self.bundle.as_ref().and_then(|bundle| bundle.open_blob(&blob.digest).ok()).map_or(blob.size, |content| content.size());
        let Some(received) = self.received(host) else { return };
        received.from_hosts.fetch_add(size, Ordering::Relaxed);
        self.events.host(host, received.event());
    }

    /// Bytes that hosts got from here, and from each other, as the bundle holds them.
    pub(crate) fn bytes_received(&self) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let from = |count: fn(&Received) -> u64| {
            self.all_received().map(|(host, received)| (host.to_string(), count(received))).filter(|(_, bytes)| *bytes > 0).collect()
        };
        (from(Received::sent), from(Received::fetched))
    }
}
