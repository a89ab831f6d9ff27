//! What the journals of the hosts that answer say of runs.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::{HostRun, HostRuns};
use barque_model::{HostName, RunId};
use futures::future::join_all;

use crate::{EngineError, Sessions};

/// The runs that each host knows.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) hosts: BTreeMap<HostName, HostRuns>,
}

impl Survey {
    /// Asks every host that answers.
    pub(crate) async fn ask(sessions: &Sessions) -> Result<Self, EngineError> {
        let agents = sessions.agents();
        let answers = join_all(agents.iter().map(|(host, agent)| async move { (host.clone(), agent.runs().await) })).await;
        let mut hosts = BTreeMap::new();
        for (host, answer) in answers {
            let runs = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
            hosts.insert(host, runs);
        }
        Ok(Self { hosts })
    }

    /// The hosts that know `run`, and what they say of it.
    pub(crate) fn of<'a>(&'a self, run: &'a RunId) -> impl Iterator<Item = (&'a HostName, &'a HostRun)> {
        self.hosts
            .iter()
            .flat_map(|(host, runs)| runs.runs.iter().map(move |known| (host, known)))
            .filter(move |(_, known)| known.run == *run)
    }

    /// Whether any host knows `run`.
    pub(crate) fn knows(&self, run: &RunId) -> bool {
        self.of(run).next().is_some()
    }

    /// Every run that a host knows.
    pub(crate) fn runs(&self) -> BTreeSet<&RunId> {
        self.hosts.values().flat_map(|runs| &runs.runs).map(|known| &known.run).collect()
    }

    /// The runs that changed something and are not taken back on some host, oldest first.
    pub(crate) fn in_force(&self) -> BTreeSet<&RunId> {
        self.hosts.values().flat_map(|runs| &runs.runs).filter(|known| is_in_force(known)).map(|known| &known.run).collect()
    }

    /// The same without those that hosts made themselves. What the dead-man switch took back comes again only by its name, or by the
    /// verb that made it: it may cut the operator off.
    pub(crate) fn of_operators(&self) -> BTreeSet<&RunId> {
        let by_hosts = |run: &RunId| self.of(run).any(|(_, known)| known.reason.is_some());
        self.in_force().into_iter().filter(|run| !by_hosts(run)).collect()
    }
}

/// Whether the run changed something (or may have) and no later one took it back.
pub(crate) const fn is_in_force(run: &HostRun) -> bool {
    (run.changed > 0 || run.open > 0) && !run.taken_back
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_is_in_force_as_long_as_one_host_has_it() {
        let run = |text: &str, changed, open, taken_back| HostRun {
            run: text.parse().unwrap(),
            changed,
            open,
            restores: false,
            taken_back,
            reason: None,
        };
        let host = |runs| HostRuns { runs, ..HostRuns::default() };
        let (first, second, third) = ("20261125T010000Z-0001", "20261125T020000Z-0002", "20261125T030000Z-0003");
        let m1 = host(vec![run(first, 3, 0, false), run(second, 1, 0, true), run(third, 0, 0, false)]);
        let m2 = host(vec![run(first, 3, 0, true), run(second, 0, 1, false)]);
        let survey = Survey { hosts: [("m1".parse().unwrap(), m1), ("m2".parse().unwrap(), m2)].into() };
        assert_eq!(survey.in_force().into_iter().map(RunId::as_str).collect::<Vec<_>>(), [first, second]);
        assert_eq!(survey.runs().len(), 3);
        assert!(survey.knows(&third.parse().unwrap()) && !survey.knows(&"20261125T040000Z-0004".parse().unwrap()));
    }
}
