//! Decides who gets what from whom next. Pure: it is told what happens and answers what may begin.
//!
//! Each host receives one content at a time, the first in the plan's order that can be had now. A content that many hosts need goes from the
//! operator to a few of them, the seeds; the others wait until one of those that receive it has it.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Digest, HostName};
use barque_plan::StepId;

/// Hosts that a content is sent to from here, when more need it.
pub(super) const SEEDS: usize = 2;
/// Hosts that fetch from one host at a time.
const FETCHERS: usize = 4;
/// Hosts named to one that fetches: the second is for when the first fails.
const NAMED: usize = 2;
/// Failures, each with another party, after which a host is not fetched from any more, or fetches no more.
const TOO_MANY: usize = 2;

/// Where a content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// This machine.
    Operator,
    /// Hosts that have it, the preferred one first.
    Hosts(Vec<HostName>),
}

/// A transfer under way.
#[derive(Debug, Clone)]
struct Running {
    step: StepId,
    digest: Digest,
    source: Source,
}

/// What one host receives.
#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeMap<StepId, Digest>,
    running: Option<Running>,
}

/// All transfers of a run.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Contents that enough hosts need.
    spread: BTreeSet<Digest>,
    lanes: BTreeMap<HostName, Lane>,
    /// Hosts that offer a content, and whether it came to them from the operator.
    holders: BTreeMap<Digest, BTreeMap<HostName, bool>>,
    /// Who failed to fetch from whom.
    failures: BTreeSet<(HostName, HostName)>,
    /// Hosts that have fetched something well: not theirs is the fault when a host fails.
    proven: BTreeSet<HostName>,
}

impl Schedule {
    /// Nothing is under way yet; the contents in `spread` go from host to host.
    pub(super) fn new(spread: BTreeSet<Digest>) -> Self {
        Self { spread, ..Self::default() }
    }

    /// Whether a content goes from host to host.
    pub(super) fn spreads(&self, digest: &Digest) -> bool {
        self.spread.contains(digest)
    }

    /// A step waits for its turn.
    pub(super) fn wait(&mut self, host: &HostName, step: StepId, digest: Digest) {
        self.lanes.entry(host.clone()).or_default().waiting.insert(step, digest);
    }

    /// A step has ended, or waits no more.
    pub(super) fn leave(&mut self, host: &HostName, step: StepId) {
        let Some(lane) = self.lanes.get_mut(host) else { return };
        lane.waiting.remove(&step);
        lane.running.take_if(|running| running.step == step);
    }

    /// Where the content of a step comes from; `None` while it is not its turn.
    pub(super) fn source(&self, host: &HostName, step: StepId) -> Option<&Source> {
        self.lanes.get(host)?.running.as_ref().filter(|running| running.step == step).map(|running| &running.source)
    }

    /// Gives turns to all steps that can begin; answers whether there were any.
    pub(super) fn grant(&mut self) -> bool {
        let idle = self.lanes.iter().filter(|(_, lane)| lane.running.is_none());
        let idle: Vec<HostName> = idle.map(|(host, _)| host.clone()).collect();
        let mut granted = false;
        for host in idle {
            let waiting = self.lanes[&host].waiting.iter();
            let next =
                waiting.map(|(step, digest)| (*step, *digest)).find_map(|(step, digest)| Some((step, digest, self.best(&host, digest)?)));
            let Some((step, digest, source)) = next else { continue };
            let Some(lane) = self.lanes.get_mut(&host) else { continue };
            lane.waiting.remove(&step);
            lane.running = Some(Running { step, digest, source });
            granted = true;
        }
        granted
    }

    /// The hosts named first did not give what they should; the step goes on with the operator.
    pub(super) fn fall_back(&mut self, host: &HostName) {
        if let Some(running) = self.lanes.get_mut(host).and_then(|lane| lane.running.as_mut()) {
            running.source = Source::Operator;
        }
    }

    /// The content of the running step has come, and the host offers it to others.
    pub(super) fn offers(&mut self, host: &HostName, digest: Digest) {
        let running = self.lanes.get(host).and_then(|lane| lane.running.as_ref());
        let by_operator = running.is_some_and(|running| running.digest == digest && running.source == Source::Operator);
        self.holders.entry(digest).or_default().insert(host.clone(), by_operator);
    }

    /// `fetching` did not get from `giving` what it should.
    pub(super) fn failed(&mut self, fetching: &HostName, giving: &HostName) {
        self.failures.insert((fetching.clone(), giving.clone()));
    }

    /// `fetching` got a content from a host.
    pub(super) fn fetched(&mut self, fetching: &HostName) {
        self.proven.insert(fetching.clone());
    }

    /// Where `host` may get a content from now; `None` when it is better to wait.
    fn best(&self, host: &HostName, digest: Digest) -> Option<Source> {
        if !self.spread.contains(&digest) || self.is_cut_off(host) {
            return Some(Source::Operator);
        }
        let none = BTreeMap::new();
        let all = self.holders.get(&digest).unwrap_or(&none);
        let holders: Vec<&HostName> = all.keys().filter(|giving| self.may_give(giving, host)).collect();
        let mut free: Vec<(usize, &HostName)> = holders.iter().map(|giving| (self.fetchers(giving), *giving)).collect();
        free.retain(|(fetchers, _)| *fetchers < FETCHERS);
        free.sort_unstable();
        if !free.is_empty() {
            return Some(Source::Hosts(free.into_iter().take(NAMED).map(|(_, giving)| giving.clone()).collect()));
        }
        let seeded = all.iter().filter(|(giving, by_operator)| **by_operator && !self.is_bad(giving)).count();
        let receiving: Vec<(&HostName, &Running)> = self.receiving(digest).filter(|(other, _)| !self.is_bad(other)).collect();
        let seeding = receiving.iter().filter(|(_, running)| running.source == Source::Operator).count();
        if seeded + seeding < SEEDS {
            return Some(Source::Operator);
        }
        // One of these will have it soon, or has a place soon. Should all fail, the operator sends it.
        let worth_waiting = !holders.is_empty() || receiving.iter().any(|(other, _)| self.may_give(other, host));
        if worth_waiting { None } else { Some(Source::Operator) }
    }

    fn receiving(&self, digest: Digest) -> impl Iterator<Item = (&HostName, &Running)> {
        let running = self.lanes.iter().filter_map(|(host, lane)| Some((host, lane.running.as_ref()?)));
        running.filter(move |(_, running)| running.digest == digest)
    }

    /// How many fetch from a host.
    fn fetchers(&self, giving: &HostName) -> usize {
        let running = self.lanes.values().filter_map(|lane| lane.running.as_ref());
        running.filter(|running| matches!(&running.source, Source::Hosts(hosts) if hosts.first() == Some(giving))).count()
    }

    fn may_give(&self, giving: &HostName, fetching: &HostName) -> bool {
        giving != fetching && !self.is_bad(giving) && !self.failures.contains(&(fetching.clone(), giving.clone()))
    }

    /// Several could not fetch from it.
    fn is_bad(&self, giving: &HostName) -> bool {
        self.failures.iter().filter(|(_, other)| other == giving).count() >= TOO_MANY
    }

    /// It could not fetch from several, and never could.
    fn is_cut_off(&self, fetching: &HostName) -> bool {
        !self.proven.contains(fetching) && self.failures.iter().filter(|(other, _)| other == fetching).count() >= TOO_MANY
    }
}
