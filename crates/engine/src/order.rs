//! In which order units change over the whole cluster, as the plan's graph has it. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use barque_model::HostName;
use barque_plan::{Action, Change, Plan, Prior, Resource};
use serde::Serialize;

/// Units of one host that change in the same turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Its number, from 1. A turn has waited for a unit of some host of the turn before.
    pub turn: u32,
    /// The host.
    pub host: HostName,
    /// Its units, in this order where they depend on one another.
    pub units: Vec<UnitChange>,
}

/// What happens to a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitChange {
    /// The unit.
    pub unit: String,
    /// What is done.
    pub verb: UnitVerb,
    /// Why, a short phrase each.
    pub reasons: Vec<String>,
}

/// What is done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UnitVerb {
    /// It is enabled and started.
    Start,
    /// It is restarted.
    Restart,
    /// It is reloaded.
    Reload,
    /// It is enabled at boot.
    Enable,
    /// It is stopped.
    Stop,
    /// It goes back to the state that it had before barque came.
    Restore,
}

impl UnitVerb {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Stop => "stop",
            Self::Restore => "restore",
        }
    }
}

/// Services that are restarted or reloaded, and how far their hosts go one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarts {
    /// How many.
    pub count: usize,
    /// Their hosts by turn.
    pub turns: Vec<Vec<HostName>>,
    /// Whether each host waits for all restarts of the hosts before it.
    pub one_host_at_a_time: bool,
}

/// What a step does to a unit, if that is what it does.
pub(crate) fn unit_change(action: &Action) -> Option<UnitChange> {
    match action {
        Action::Apply { resource: Resource::Unit(unit), difference, .. } => {
            let verb = match difference.change {
                Change::Start | Change::Create | Change::Update => UnitVerb::Start,
                Change::Restart => UnitVerb::Restart,
                Change::Reload => UnitVerb::Reload,
                Change::Enable => UnitVerb::Enable,
            };
            Some(UnitChange { unit: unit.name.clone(), verb, reasons: difference.reasons.clone() })
        }
        Action::Restore { resource: Resource::Unit(unit), prior, .. } => {
            let runs = matches!(prior, Prior::Unit { state } if state.is_active());
            let verb = if runs { UnitVerb::Restore } else { UnitVerb::Stop };
            Some(UnitChange { unit: unit.name.clone(), verb, reasons: Vec::new() })
        }
        _ => None,
    }
}

/// The highest turns seen on the way to a step, of the host with the highest one and of another.
#[derive(Debug, Clone, Default)]
struct Seen<'a>(Vec<(u32, &'a HostName)>);

impl<'a> Seen<'a> {
    fn note(&mut self, turn: u32, host: &'a HostName) {
        match self.0.iter_mut().find(|(_, known)| *known == host) {
            Some(entry) => entry.0 = entry.0.max(turn),
            None => self.0.push((turn, host)),
        }
        self.0.sort_by_key(|(turn, _)| Reverse(*turn));
        // A third host cannot lead to a later turn than the two before it.
        self.0.truncate(2);
    }

    fn next_turn(&self, host: &HostName) -> u32 {
        self.0.iter().map(|(turn, seen)| turn + u32::from(*seen != host)).max().unwrap_or(1)
    }
}

/// Each unit's step and its turn, in the order of the plan.
fn turns_of_steps(plan: &Plan) -> Vec<(usize, &HostName, u32)> {
    let mut seen: Vec<Seen<'_>> = Vec::with_capacity(plan.steps.len());
    let mut found = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut mine = Seen::default();
        for (turn, host) in step.after.iter().filter_map(|needed| seen.get(needed.0 as usize)).flat_map(|seen| &seen.0) {
            mine.note(*turn, host);
        }
        if let Some(host) = step.host.as_ref().filter(|_| unit_change(&step.action).is_some()) {
            let turn = mine.next_turn(host);
            mine.note(turn, host);
            found.push((index, host, turn));
        }
        seen.push(mine);
    }
    found
}

/// The turns of all units, in order.
pub(crate) fn turns(plan: &Plan) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut steps = turns_of_steps(plan);
    steps.sort_by_key(|(_, _, turn)| *turn);
    for (index, host, turn) in steps {
        let Some(change) = unit_change(&plan.steps[index].action) else { continue };
        match turns.iter_mut().find(|known| known.turn == turn && known.host == *host) {
            Some(known) => known.units.push(change),
            None => turns.push(Turn { turn, host: host.clone(), units: vec![change] }),
        }
    }
    turns
}

/// The restarts and reloads of services.
pub(crate) fn restarts(plan: &Plan) -> Restarts {
    let restarting = |index: usize| {
        unit_change(&plan.steps[index].action)
            .is_some_and(|change| matches!(change.verb, UnitVerb::Restart | UnitVerb::Reload) && change.unit.ends_with(".service"))
    };
    let mut steps: Vec<(usize, &HostName, u32)> = turns_of_steps(plan).into_iter().filter(|(index, ..)| restarting(*index)).collect();
    steps.sort_by_key(|(_, _, turn)| *turn);
    let mut turns: Vec<(u32, Vec<HostName>)> = Vec::new();
    for (_, host, turn) in &steps {
        match turns.last_mut().filter(|(known, _)| known == turn) {
            Some((_, hosts)) if hosts.contains(host) => {}
            Some((_, hosts)) => hosts.push((*host).clone()),
            None => turns.push((*turn, vec![(*host).clone()])),
        }
    }
    let alone = turns.iter().all(|(_, hosts)| hosts.len() == 1);
    let one_host_at_a_time = alone
        && steps.iter().all(|(index, host, turn)| {
            let waits = before(plan, *index);
            steps.iter().all(|(other, other_host, other_turn)| other_turn >= turn || other_host == host || waits.contains(other))
        });
    Restarts { count: steps.len(), turns: turns.into_iter().map(|(_, hosts)| hosts).collect(), one_host_at_a_time }
}

/// All steps that a step waits for, directly or through others.
fn before(plan: &Plan, step: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut stack = vec![step];
    while let Some(next) = stack.pop() {
        for needed in plan.steps.get(next).into_iter().flat_map(|step| &step.after) {
            if found.insert(needed.0 as usize) {
                stack.push(needed.0 as usize);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{gate, plan, restart};

    fn shown(turns: &[Turn]) -> Vec<String> {
        let units =
            |turn: &Turn| turn.units.iter().map(|unit| format!("{} {}", unit.verb.as_str(), unit.unit)).collect::<Vec<_>>().join(", ");
        turns.iter().map(|turn| format!("{} {}: {}", turn.turn, turn.host, units(turn))).collect()
    }

    #[test]
    fn a_chain_of_hosts_is_one_host_at_a_time() {
        let plan = plan(vec![
            restart("m1", "etcd.service", &[]),
            restart("m1", "kube-apiserver.service", &[0]),
            gate("m1", &[1]),
            restart("m2", "etcd.service", &[2]),
            restart("m2", "kube-apiserver.service", &[3]),
            gate("m2", &[4]),
            restart("m3", "kube-apiserver.service", &[5]),
        ]);
        assert_eq!(
            shown(&turns(&plan)),
            [
                "1 m1: restart etcd.service, restart kube-apiserver.service",
                "2 m2: restart etcd.service, restart kube-apiserver.service",
                "3 m3: restart kube-apiserver.service",
            ]
        );
        let restarts = restarts(&plan);
        assert_eq!((restarts.count, restarts.one_host_at_a_time), (5, true));
        assert_eq!(restarts.turns, [["m1".parse().unwrap()], ["m2".parse().unwrap()], ["m3".parse().unwrap()]]);
    }

    #[test]
    fn what_waits_for_only_a_part_is_not_one_host_at_a_time() {
        // m2 waits for m1's etcd, and not for its API server.
        let plan = plan(vec![
            restart("m1", "etcd.service", &[]),
            restart("m1", "kube-apiserver.service", &[0]),
            restart("m2", "etcd.service", &[0]),
        ]);
        assert!(!restarts(&plan).one_host_at_a_time);
    }

    #[test]
    fn hosts_that_wait_for_none_share_a_turn() {
        let plan = plan(vec![
            restart("n1", "kubelet.service", &[]),
            restart("n2", "kubelet.service", &[]),
            restart("n3", "kubelet.service", &[0, 1]),
            restart("n1", "barque-watchdog.timer", &[0]),
        ]);
        let restarts = restarts(&plan);
        assert_eq!(restarts.count, 3);
        assert_eq!(restarts.turns.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert!(!restarts.one_host_at_a_time);
        assert_eq!(
            shown(&turns(&plan)),
            [
                "1 n1: restart kubelet.service, restart barque-watchdog.timer",
                "1 n2: restart kubelet.service",
                "2 n3: restart kubelet.service",
            ]
        );
    }

    #[test]
    fn a_far_third_host_does_not_count() {
        // The path leads over three hosts, and back to the first.
        let plan = plan(vec![
            restart("a", "x.service", &[]),
            restart("b", "x.service", &[0]),
            restart("c", "x.service", &[1]),
            restart("a", "y.service", &[2]),
        ]);
        assert_eq!(turns(&plan).iter().map(|turn| turn.turn).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
