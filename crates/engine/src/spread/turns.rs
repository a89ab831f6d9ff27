//! Lets transfers wait for their turns, and hosts offer what has come to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barque_agent::{AgentClient, FetchRequest, Fetched, OfferRequest, Peer};
use barque_event::Failure;
use barque_model::{ByteRate, Cluster, Digest, HostName, SecretBytes};
use barque_plan::{Action, Blob, Plan, StepId};
use tokio::sync::Notify;

use super::schedule::{SEEDS, Schedule, Source};

/// Shorter contents are sent from here: asking around takes longer.
const SMALLEST: u64 = 256 << 10;
/// How long a host may take to begin to offer.
const OFFERING: Duration = Duration::from_secs(5);

/// How contents go from host to host in a run.
#[derive(Debug)]
pub(crate) struct Spread {
    schedule: Mutex<Schedule>,
    changed: Notify,
    /// Hosts that were asked to offer, and where they listen if they do.
    peers: Mutex<BTreeMap<HostName, Option<Peer>>>,
    addresses: BTreeMap<HostName, IpAddr>,
    token: SecretBytes,
    blobs: Vec<Digest>,
    /// The most that a host sends to all others together.
    limit: Option<ByteRate>,
}

/// A transfer's turn, or its place among those that wait. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    spread: Arc<Spread>,
    host: HostName,
    step: StepId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.spread.schedule().leave(&self.host, self.step);
        self.spread.changed.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Contents that so many hosts need that sending them to all would be dearer than to a few.
fn shared(plan: &Plan) -> BTreeSet<Digest> {
    let mut hosts: BTreeMap<Digest, usize> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Transfer { blob, .. } = &step.action
            && blob.size >= SMALLEST
        {
            *hosts.entry(blob.digest).or_default() += 1;
        }
    }
    // One more than the seeds would only wait.
    hosts.into_iter().filter(|(_, count)| *count > SEEDS + 1).map(|(digest, _)| digest).collect()
}

impl Spread {
    /// How the contents of `plan` go from host to host; `None` when none is needed by enough hosts. `token` is what hosts show each other.
    pub(crate) fn new(plan: &Plan, cluster: &Cluster, token: SecretBytes, limit: Option<ByteRate>) -> Option<Arc<Self>> {
        let spread = shared(plan);
        if spread.is_empty() {
            return None;
        }
        Some(Arc::new(Self {
            blobs: spread.iter().copied().collect(),
            schedule: Mutex::new(Schedule::new(spread)),
            changed: Notify::new(),
            peers: Mutex::default(),
            addresses: cluster.hosts.iter().map(|host| (host.name.clone(), host.address)).collect(),
            token,
            limit,
        }))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        locked(&self.schedule)
    }

    /// Waits for the turn of a transfer.
    pub(crate) async fn turn(self: &Arc<Self>, host: &HostName, step: StepId, blob: Blob) -> Turn {
        self.schedule().wait(host, step, blob.digest);
        let turn = Turn { spread: Arc::clone(self), host: host.clone(), step };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on nothing that changes is missed.
            changed.as_mut().enable();
            {
                let mut schedule = self.schedule();
                if schedule.grant() {
                    self.changed.notify_waiters();
                }
                if schedule.source(host, step).is_some() {
                    return turn;
                }
            }
            changed.await;
        }
    }

    /// Where the content of a step comes from.
    pub(crate) fn source(&self, host: &HostName, step: StepId) -> Source {
        self.schedule().source(host, step).cloned().unwrap_or(Source::Operator)
    }

    /// Lets a host fetch a content. Answers what failed on the way, and whether the content is there; if not, the operator has to send it.
    pub(crate) async fn fetch(
        &self,
        agent: &AgentClient,
        host: &HostName,
        blob: Blob,
        givers: &[HostName],
    ) -> Result<(bool, Vec<String>), Failure> {
        let known: Vec<(HostName, Peer)> = {
            let peers = locked(&self.peers);
            givers.iter().filter_map(|giver| Some((giver.clone(), peers.get(giver)?.clone()?))).collect()
        };
        let peers = known.iter().map(|(_, peer)| peer.clone()).collect();
        let request = FetchRequest { blob, peers, token: self.token.clone() };
        let Fetched { complete, failed } = match agent.fetch(request).await {
            Ok(fetched) => fetched,
            // A broken connection is made anew, and it is tried again.
            Err(error) if error.is_lost() => return Err(error.into()),
            // Whatever it is, such as a full disk: sent from here it shows again.
            Err(error) => return Ok((false, vec![error.to_string()])),
        };
        let mut schedule = self.schedule();
        let mut troubles = Vec::new();
        for (number, reason) in failed {
            if let Some((giver, _)) = usize::try_from(number).ok().and_then(|number| known.get(number)) {
                schedule.failed(host, giver);
                troubles.push(format!("{giver}: {reason}"));
            }
        }
        if complete {
            schedule.fetched(host);
        } else {
            schedule.fall_back(host);
        }
        drop(schedule);
        self.changed.notify_waiters();
        Ok((complete, troubles))
    }

    /// A content has come to a host, which offers it from now on. That it cannot is no failure: others do, or this machine sends it.
    pub(crate) async fn arrived(&self, agent: &AgentClient, host: &HostName, digest: Digest) {
        if !self.schedule().spreads(&digest) || !self.listens(agent, host).await {
            return;
        }
        self.schedule().offers(host, digest);
        self.changed.notify_waiters();
    }

    /// Lets the host listen, once. A host receives one content at a time, so nobody else asks it meanwhile.
    async fn listens(&self, agent: &AgentClient, host: &HostName) -> bool {
        if let Some(known) = locked(&self.peers).get(host) {
            return known.is_some();
        }
        let Some(address) = self.addresses.get(host) else { return false };
        let request = OfferRequest { address: *address, token: self.token.clone(), blobs: self.blobs.clone(), limit: self.limit };
        let peer = match tokio::time::timeout(OFFERING, agent.offer(request)).await {
            Ok(Ok(peer)) => Some(peer),
            Ok(Err(error)) => {
                tracing::warn!(%host, %error, "the host offers nothing to others");
                None
            }
            Err(_) => None,
        };
        let listens = peer.is_some();
        locked(&self.peers).insert(host.clone(), peer);
        listens
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;

    const NODES: [&str; 5] = ["m1", "m2", "m3", "n1", "n2"];

    fn blob(text: &str, size: u64) -> Blob {
        Blob { digest: Digest::of(text.as_bytes()), size }
    }

    fn plan(wanted: &[(Blob, usize)]) -> Plan {
        let drafts = wanted.iter().flat_map(|(blob, hosts)| {
            NODES[..*hosts]
                .iter()
                .map(|host| (Some(*host), "send x".to_owned(), Action::Transfer { blob: *blob, name: "x".into() }, Vec::new()))
        });
        testing::plan(drafts.collect())
    }

    fn spread(wanted: &[(Blob, usize)]) -> Option<Arc<Spread>> {
        Spread::new(&plan(wanted), &testing::cluster(), SecretBytes::new([1; 32]), None)
    }

    #[test]
    fn only_what_is_long_and_needed_by_many_goes_from_host_to_host() {
        let (few, short, many) = (blob("few", 1 << 20), blob("short", SMALLEST - 1), blob("many", SMALLEST));
        assert!(spread(&[(few, 3), (short, 5)]).is_none(), "everything stays as it is");
        assert_eq!(spread(&[(few, 3), (short, 5), (many, 4)]).unwrap().blobs, [many.digest]);
    }

    #[test]
    fn the_token_does_not_show() {
        let spread = spread(&[(blob("many", SMALLEST), 5)]).unwrap();
        assert!(!format!("{spread:?}").contains("1, 1, 1"));
    }

    #[tokio::test]
    async fn a_turn_that_ends_lets_the_next_begin() {
        let wanted = blob("many", SMALLEST);
        let spread = spread(&[(wanted, 5)]).unwrap();
        let host = |name: &str| name.parse::<HostName>().unwrap();
        let first = spread.turn(&host("m1"), StepId(0), wanted).await;
        let second = spread.turn(&host("m2"), StepId(1), wanted).await;
        assert_eq!(spread.source(&host("m2"), StepId(1)), Source::Operator);
        let waiting = tokio::spawn({
            let (spread, host) = (Arc::clone(&spread), host("m3"));
            async move { spread.turn(&host, StepId(2), wanted).await }
        });
        let late = host("n1");
        let given_up = tokio::time::timeout(Duration::from_millis(50), spread.turn(&late, StepId(3), wanted)).await.is_err();
        assert!(given_up && !waiting.is_finished(), "both wait");
        drop(first);
        let third = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        assert_eq!(spread.source(&host("m3"), StepId(2)), Source::Operator, "in place of the seed that went");
        spread.schedule().offers(&host("m2"), wanted.digest);
        drop((second, third));
        let fourth = spread.turn(&host("n1"), StepId(3), wanted).await;
        assert_eq!(spread.source(&host("n1"), StepId(3)), Source::Hosts(vec![host("m2")]));
        drop(fourth);
    }
}
