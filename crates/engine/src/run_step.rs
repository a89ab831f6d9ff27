//! Runs one step: finds the agent, makes the call, turns the answer into an outcome.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barque_agent::{AgentClient, ApplyRequest, KubeAnswer, KubeCall};
use barque_bundle::Bundle;
use barque_event::{EventKind, Failure, StepOutcome};
use barque_model::{HostName, KubeAccess, RunId, SecretBytes};
use barque_plan::{Action, Blob, Difference, Probe, Resource, ResourceId, Step};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Events;

/// Steps that run on one host at a time. More would only queue up behind its disk and systemd.
const STEPS_PER_HOST: usize = 8;
/// How often a gate asks again.
const INTERVAL: Duration = Duration::from_millis(250);

/// What steps need while they run.
pub(crate) struct Runner {
    pub(crate) run: RunId,
    pub(crate) agents: BTreeMap<HostName, AgentClient>,
    /// Content of files by host and resource.
    pub(crate) contents: HashMap<(HostName, ResourceId), SecretBytes>,
    pub(crate) bundle: Arc<Bundle>,
    /// The masters and how to reach the API from each.
    pub(crate) masters: Vec<(HostName, KubeAccess)>,
    pub(crate) events: Events,
    places: BTreeMap<HostName, Places>,
}

struct Places {
    steps: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    sent: AtomicU64,
    total: u64,
}

impl Runner {
    pub(crate) fn new(
        run: RunId,
        agents: BTreeMap<HostName, AgentClient>,
        contents: HashMap<(HostName, ResourceId), SecretBytes>,
        bundle: Arc<Bundle>,
        masters: Vec<(HostName, KubeAccess)>,
        events: Events,
        to_send: &BTreeMap<HostName, u64>,
    ) -> Self {
        let places = agents
            .keys()
            .map(|host| {
                let places = Places {
                    steps: Arc::new(Semaphore::new(STEPS_PER_HOST)),
                    transfers: Arc::new(Semaphore::new(1)),
                    sent: AtomicU64::new(0),
                    total: to_send.get(host).copied().unwrap_or(0),
                };
                (host.clone(), places)
            })
            .collect();
        Self { run, agents, contents, bundle, masters, events, places }
    }

    /// Waits for a place on the step's host. Transfers queue one behind the other, in the plan's order.
    pub(crate) async fn place(&self, step: &Step) -> Option<OwnedSemaphorePermit> {
        let places = self.places.get(step.host.as_ref()?)?;
        let semaphore = match step.action {
            Action::Transfer { .. } => &places.transfers,
            Action::Apply { .. } => &places.steps,
            _ => return None,
        };
        Arc::clone(semaphore).acquire_owned().await.ok()
    }

    pub(crate) async fn run(&self, step: &Step) -> Result<StepOutcome, Failure> {
        match &step.action {
            Action::Transfer { blob, name } => self.transfer(Self::host(step)?, *blob, name).await,
            Action::Apply { resource, difference, stales } => self.apply(Self::host(step)?, step, resource, difference, stales).await,
            Action::Gate { probe, timeout_seconds } => {
                let agent = self.agent(Self::host(step)?)?;
                let timeout = Duration::from_secs(u64::from(*timeout_seconds));
                agent.probe(probe.clone(), timeout, INTERVAL).await?;
                Ok(StepOutcome::Holds)
            }
            Action::AddressGate { address, hosts, timeout_seconds } => self.one_holder(address, hosts, *timeout_seconds).await,
            Action::Objects { objects, .. } => {
                self.kube(KubeCall::Apply(objects.clone())).await?;
                Ok(StepOutcome::Changed)
            }
            Action::Node { node, labels, taints } => {
                let call = KubeCall::SetNode { name: node.to_string(), labels: labels.clone(), taints: taints.clone() };
                self.kube(call).await?;
                Ok(StepOutcome::Changed)
            }
            Action::ClusterGate { gate, timeout_seconds } => {
                self.kube(KubeCall::Gate { gate: gate.clone(), timeout: Duration::from_secs(u64::from(*timeout_seconds)) }).await?;
                Ok(StepOutcome::Holds)
            }
        }
    }

    fn host(step: &Step) -> Result<&HostName, Failure> {
        step.host.as_ref().ok_or_else(|| Failure::new("the step names no host"))
    }

    fn agent(&self, host: &HostName) -> Result<&AgentClient, Failure> {
        self.agents
            .get(host)
            .ok_or_else(|| Failure::new(format!("{host} is not connected")).with_hint("run `barque up` again when it answers"))
    }

    async fn transfer(&self, host: &HostName, blob: Blob, name: &str) -> Result<StepOutcome, Failure> {
        let agent = self.agent(host)?;
        let unreadable = |error: &dyn std::fmt::Display| Failure::new(format!("cannot read {name} from the bundle: {error}"));
        let file = self.bundle.open_blob(&blob.digest).map_err(|error| unreadable(&error))?;
        let size = file.metadata().map_err(|error| unreadable(&error))?.len();
        let places = self.places.get(host);
        let before = places.map_or(0, |places| places.sent.load(Ordering::Relaxed));
        let report = |sent: u64| {
            let Some(places) = places else { return };
            places.sent.store(before + sent, Ordering::Relaxed);
            self.events.host(host, EventKind::BytesSent { sent: before + sent, total: places.total });
        };
        agent.put(blob, tokio::fs::File::from_std(file), size, report).await?;
        Ok(StepOutcome::Changed)
    }

    async fn apply(
        &self,
        host: &HostName,
        step: &Step,
        resource: &Resource,
        difference: &Difference,
        stales: &[String],
    ) -> Result<StepOutcome, Failure> {
        let agent = self.agent(host)?;
        let content = self.contents.get(&(host.clone(), resource.id())).cloned();
        let request = ApplyRequest {
            run: self.run.clone(),
            step: step.title.clone(),
            resource: resource.clone(),
            content,
            change: Some(difference.change),
            stales: stales.to_vec(),
        };
        let applied = agent.apply(request).await?;
        for note in applied.notes {
            self.events.host(host, EventKind::Note { text: note });
        }
        Ok(if applied.changed { StepOutcome::Changed } else { StepOutcome::Unchanged })
    }

    /// Waits until exactly one of `hosts` holds `address`, seen twice so that a hand-over does not count.
    async fn one_holder(&self, address: &str, hosts: &[HostName], timeout_seconds: u32) -> Result<StepOutcome, Failure> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(u64::from(timeout_seconds));
        let mut before: Option<HostName> = None;
        loop {
            let mut holders = Vec::new();
            for host in hosts {
                let probe = Probe::HoldsAddress { address: address.to_owned(), held: true };
                if self.agent(host)?.probe(probe, Duration::ZERO, INTERVAL).await.is_ok() {
                    holders.push(host.clone());
                }
            }
            let single = if holders.len() == 1 { holders.first().cloned() } else { None };
            if single.is_some() && single == before {
                return Ok(StepOutcome::Holds);
            }
            before = single;
            if tokio::time::Instant::now() >= deadline {
                let names: Vec<&str> = holders.iter().map(HostName::as_str).collect();
                let found = if names.is_empty() { "no balancer holds it".to_owned() } else { format!("held by {}", names.join(" and ")) };
                let unit = Some("keepalived.service".to_owned());
                let journal = match hosts.first().and_then(|host| self.agents.get(host)) {
                    Some(agent) => agent.journal("keepalived.service", 20).await.unwrap_or_default(),
                    None => Vec::new(),
                };
                let failure = Failure::new(format!("{address} is not on exactly one balancer: {found}"));
                let hint = "look for another VRRP speaker with the same virtual router identifier, or for a filter between the balancers (IP protocol 112)";
                return Err(Failure { unit, journal, ..failure }.with_hint(hint));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Asks the API from the first master whose agent answers; another one is tried when the first cannot reach its API server.
    pub(crate) async fn kube(&self, call: KubeCall) -> Result<KubeAnswer, Failure> {
        let mut last = Failure::new("no master is connected").with_hint("run `barque status` to see which masters answer");
        for (host, access) in &self.masters {
            let Some(agent) = self.agents.get(host) else { continue };
            // A gate may wait for minutes: only a master whose API server answers is asked for one.
            if let Err(failure) = agent.kube(access.clone(), KubeCall::Ready).await {
                last = Failure { host: Some(host.clone()), ..failure.into() };
                continue;
            }
            match agent.kube(access.clone(), call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = Failure { host: Some(host.clone()), ..failure.into() },
            }
        }
        Err(last)
    }
}
