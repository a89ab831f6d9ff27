//! Runs one step: finds the agent, makes the call, turns the answer into an outcome.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use barque_agent::{AgentClient, AgentError, Applied, ApplyRequest, KubeAnswer, KubeCall, KubeChange, KubeChangeRequest, RestoreRequest};
use barque_bundle::Bundle;
use barque_event::{EventKind, Failure, StepOutcome};
use barque_model::{HostName, KubeAccess, RunId, SecretBytes};
use barque_plan::{Action, Difference, Resource, ResourceId, Step, interrupts_etcd};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::certificates::Certificates;
use crate::dead_man::DeadMan;
use crate::links::Links;
use crate::spread::{Spread, Turn};
use crate::transfer::Received;
use crate::{Events, balance};

/// Tries of a step beyond the first.
const TRIES: usize = 4;
/// Pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long a restart of etcd waits for the other members.
const QUORUM_PATIENCE: Duration = Duration::from_mins(1);
/// Steps that run on one host at a time. More would only queue up behind its disk and systemd.
const STEPS_PER_HOST: usize = 8;
/// How often a gate asks again.
pub(crate) const INTERVAL: Duration = Duration::from_millis(250);

/// What steps need while they run.
pub(crate) struct Runner {
    pub(crate) run: RunId,
    pub(crate) links: Links,
    /// Content of files by host and resource.
    pub(crate) contents: HashMap<(HostName, ResourceId), SecretBytes>,
    pub(crate) bundle: Option<Arc<Bundle>>,
    /// The masters and how to reach the API from each.
    pub(crate) masters: Vec<(HostName, KubeAccess)>,
    pub(crate) events: Events,
    /// How contents go from host to host, if they do.
    pub(crate) spread: Option<Arc<Spread>>,
    places: BTreeMap<HostName, Places>,
    etcd: Vec<(HostName, String)>,
    certificates: Certificates,
    teardown: bool,
    switch: Option<DeadMan>,
}

struct Places {
    steps: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    received: Received,
}

/// A step's place on its host, free again when this is dropped.
#[derive(Debug)]
pub(crate) enum Place {
    /// One of several.
    Permit { _permit: OwnedSemaphorePermit },
    /// The turn of a transfer.
    Turn { _turn: Turn },
}

impl Runner {
    pub(crate) fn new(
        run: RunId,
        links: Links,
        contents: HashMap<(HostName, ResourceId), SecretBytes>,
        bundle: Option<Arc<Bundle>>,
        masters: Vec<(HostName, KubeAccess)>,
        events: Events,
        to_send: &BTreeMap<HostName, u64>,
    ) -> Self {
        let places = links
            .agents()
            .into_keys()
            .map(|host| {
                let places = Places {
                    steps: Arc::new(Semaphore::new(STEPS_PER_HOST)),
                    transfers: Arc::new(Semaphore::new(1)),
                    received: Received::new(to_send.get(&host).copied().unwrap_or(0)),
                };
                (host, places)
            })
            .collect();
        let certificates = Certificates::default();
        Self {
            run,
            links,
            contents,
            bundle,
            masters,
            events,
            spread: None,
            places,
            etcd: Vec::new(),
            certificates,
            teardown: false,
            switch: None,
        }
    }

    /// Names the etcd members and their client URLs, so that a restart of one waits for the others.
    pub(crate) fn with_etcd(self, etcd: Vec<(HostName, String)>) -> Self {
        Self { etcd, ..self }
    }

    /// Certificates that go into Secrets.
    pub(crate) fn with_certificates(self, certificates: Certificates) -> Self {
        Self { certificates, ..self }
    }

    /// For a rollback that ends the cluster: etcd's members need not carry each other.
    pub(crate) fn ending_the_cluster(self) -> Self {
        Self { teardown: true, ..self }
    }

    /// Lets hosts fetch contents from each other.
    pub(crate) fn with_spread(self, spread: Option<Arc<Spread>>) -> Self {
        Self { spread, ..self }
    }

    /// What a host has received.
    pub(crate) fn received(&self, host: &HostName) -> Option<&Received> {
        self.places.get(host).map(|places| &places.received)
    }

    /// What each host has received.
    pub(crate) fn all_received(&self) -> impl Iterator<Item = (&HostName, &Received)> {
        self.places.iter().map(|(host, places)| (host, &places.received))
    }

    /// For a run that may cut the operator off.
    pub(crate) fn with_switch(self, switch: DeadMan) -> Self {
        Self { switch: Some(switch), ..self }
    }

    /// The dead-man switch of this run.
    pub(crate) fn switch(&self) -> Result<&DeadMan, Failure> {
        self.switch.as_ref().ok_or_else(|| Failure::new("this run has no dead-man switch"))
    }

    /// Waits for a place on the step's host. Transfers queue one behind the other, in the plan's order unless hosts fetch from each other.
    pub(crate) async fn place(&self, step: &Step) -> Option<Place> {
        let host = step.host.as_ref()?;
        let places = self.places.get(host)?;
        let semaphore = match (&step.action, &self.spread) {
            (Action::Transfer { blob, .. }, Some(spread)) => return Some(Place::Turn { _turn: spread.turn(host, step.id, *blob).await }),
            (Action::Transfer { .. }, None) => &places.transfers,
            (Action::Apply { .. } | Action::Restore { .. }, _) => &places.steps,
            _ => return None,
        };
        let permit = Arc::clone(semaphore).acquire_owned().await.ok()?;
        Some(Place::Permit { _permit: permit })
    }

    /// Runs a step; what may pass by itself is tried again, after pauses that grow.
    pub(crate) async fn run(&self, step: &Step) -> Result<StepOutcome, Failure> {
        let mut pauses =
            ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE).with_max_times(TRIES).build();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.once(step).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            if !failure.retryable {
                return Err(failure);
            }
            let Some(pause) = pauses.next() else { return Err(failure) };
            let (title, message) = (step.title.clone(), failure.message.clone());
            let wait_millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            self.events.step(step.host.as_ref(), step.id, EventKind::StepRetried { title, attempt, message, wait_millis });
            tokio::time::sleep(pause).await;
            // A broken connection is made anew; a host that stays away is reported by itself.
            if let Some(host) = &step.host
                && !self.links.renew(host).await
            {
                return Err(Failure { host: Some(host.clone()), ..failure });
            }
        }
    }

    async fn once(&self, step: &Step) -> Result<StepOutcome, Failure> {
        match &step.action {
            Action::Transfer { blob, name } => self.transfer(Self::host(step)?, step.id, *blob, name).await,
            Action::Apply { resource, difference, stales } => {
                if interrupts_etcd(&step.action) {
                    self.others_carry_etcd(Self::host(step)?).await?;
                }
                self.apply(Self::host(step)?, step, resource, difference, stales).await
            }
            Action::Restore { resource, prior, before } => {
                if interrupts_etcd(&step.action) && !self.teardown {
                    self.others_carry_etcd(Self::host(step)?).await?;
                }
                let request = RestoreRequest {
                    run: self.run.clone(),
                    step: step.title.clone(),
                    resource: resource.clone(),
                    prior: prior.clone(),
                    before: before.clone(),
                };
                let host = Self::host(step)?;
                Ok(self.noted(host, self.agent(host)?.restore(request).await?))
            }
            Action::Sweep { sweep } => {
                let host = Self::host(step)?;
                Ok(self.noted(host, self.agent(host)?.sweep(self.run.clone(), sweep.clone()).await?))
            }
            Action::Snapshot => {
                let host = Self::host(step)?;
                let snapshot = self.agent(host)?.snapshot(self.run.clone()).await?;
                let text = format!(
                    "etcd's data are saved in {} ({:.1} MB, {} keys, revision {})",
                    snapshot.path,
                    snapshot.bytes as f64 / 1e6,
                    snapshot.keys,
                    snapshot.revision
                );
                self.events.host(host, EventKind::Note { text });
                Ok(StepOutcome::Holds)
            }
            Action::Drain { master, balancers } => balance::drain(self, master, balancers).await,
            Action::Return { masters, balancers, timeout_seconds } => balance::give_back(self, masters, balancers, *timeout_seconds).await,
            Action::Gate { probe, timeout_seconds } => {
                let agent = self.agent(Self::host(step)?)?;
                let timeout = Duration::from_secs(u64::from(*timeout_seconds));
                agent.probe(probe.clone(), timeout, INTERVAL).await?;
                Ok(StepOutcome::Holds)
            }
            Action::AddressGate { address, hosts, timeout_seconds } => balance::one_holder(self, address, hosts, *timeout_seconds).await,
            Action::Objects { objects, .. } => {
                let objects = objects.iter().map(|object| self.certificates.fill(object).into_owned()).collect();
                self.kube_change(step, KubeChange::Apply(objects)).await
            }
            Action::RemoveObjects { objects, .. } => self.kube_change(step, KubeChange::Remove(objects.clone())).await,
            Action::UndoObjects { changes, before } => {
                self.kube_change(step, KubeChange::Undo { changes: changes.clone(), before: before.clone() }).await
            }
            Action::Node { node, labels, taints } => {
                self.kube_change(step, KubeChange::SetNode { name: node.to_string(), labels: labels.clone(), taints: taints.clone() }).await
            }
            Action::Arm { seconds } => self.switch()?.arm(&self.links, Self::host(step)?, *seconds).await,
            Action::Confirm { hosts } => self.switch()?.confirm(&self.links, hosts).await,
            Action::ClusterGate { gate, timeout_seconds } => {
                self.kube(KubeCall::Gate { gate: gate.clone(), timeout: Duration::from_secs(u64::from(*timeout_seconds)) }).await?;
                Ok(StepOutcome::Holds)
            }
        }
    }

    /// Waits until enough other etcd members are healthy for this one to pause.
    async fn others_carry_etcd(&self, host: &HostName) -> Result<(), Failure> {
        if self.etcd.len() < 2 {
            return Ok(());
        }
        let quorum = self.etcd.len() / 2 + 1;
        let deadline = tokio::time::Instant::now() + QUORUM_PATIENCE;
        loop {
            let endpoints = self.etcd.iter().map(|(_, endpoint)| endpoint.clone()).collect();
            let members = self.agent(host)?.etcd_status(endpoints).await?;
            let others: Vec<&str> = self
                .etcd
                .iter()
                .zip(&members)
                .filter(|((name, _), member)| name != host && member.healthy)
                .map(|((name, _), _)| name.as_str())
                .collect();
            if others.len() >= quorum {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                let message = format!(
                    "refused: of the other {} etcd members only {} healthy ({}), and the quorum is {quorum}",
                    self.etcd.len() - 1,
                    if others.len() == 1 { "1 is".to_owned() } else { format!("{} are", others.len()) },
                    others.join(", ")
                );
                return Err(
                    Failure::new(message).with_hint("bring the other members back first (`barque status` shows them), then run it again")
                );
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn host(step: &Step) -> Result<&HostName, Failure> {
        step.host.as_ref().ok_or_else(|| Failure::new("the step names no host"))
    }

    pub(crate) fn agent(&self, host: &HostName) -> Result<AgentClient, Failure> {
        self.links.agent(host).ok_or_else(|| {
            let failure = Failure::new(format!("{host} does not answer any more")).with_hint("run `barque up` again when it answers");
            Failure { host: Some(host.clone()), ..failure }
        })
    }

    fn noted(&self, host: &HostName, applied: Applied) -> StepOutcome {
        for note in applied.notes {
            self.events.host(host, EventKind::Note { text: note });
        }
        if applied.changed { StepOutcome::Changed } else { StepOutcome::Unchanged }
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
        Ok(self.noted(host, agent.apply(request).await?))
    }

    /// Asks the API from the first master whose agent answers; another one is tried when the first cannot reach its API server.
    pub(crate) async fn kube(&self, call: KubeCall) -> Result<KubeAnswer, Failure> {
        let begun = tokio::time::Instant::now();
        self.on_master(|agent, access| {
            let mut call = call.clone();
            if let KubeCall::Gate { timeout, .. } = &mut call {
                // What does not hold on one master does not hold on the next: the time is for all of them together.
                *timeout = timeout.saturating_sub(begun.elapsed());
            }
            async move { agent.kube(access, call).await }
        })
        .await
    }

    async fn kube_change(&self, step: &Step, change: KubeChange) -> Result<StepOutcome, Failure> {
        let applied = self
            .on_master(|agent, access| {
                let request = KubeChangeRequest { run: self.run.clone(), step: step.title.clone(), access, change: change.clone() };
                async move { agent.kube_change(request).await }
            })
            .await?;
        for note in applied.notes {
            self.events.send(EventKind::Note { text: note });
        }
        Ok(if applied.changed { StepOutcome::Changed } else { StepOutcome::Unchanged })
    }

    async fn on_master<T, F, A>(&self, ask: A) -> Result<T, Failure>
    where
        A: Fn(AgentClient, KubeAccess) -> F,
        F: Future<Output = Result<T, AgentError>>,
    {
        let mut last = Failure::new("no master is connected").with_hint("run `barque status` to see which masters answer");
        for (host, access) in &self.masters {
            let Some(agent) = self.links.agent(host) else { continue };
            // A gate may wait for minutes: only a master whose API server answers is asked for one.
            if let Err(failure) = agent.kube(access.clone(), KubeCall::Ready).await {
                last = Failure { host: Some(host.clone()), ..failure.into() };
                continue;
            }
            match ask(agent, access.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = Failure { host: Some(host.clone()), ..failure.into() },
            }
        }
        Err(last)
    }
}
