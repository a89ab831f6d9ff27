//! Narrows a plan to hosts, roles or stages without breaking what depends on what.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{Cluster, HostName, Role};

use crate::{Action, Plan, Step, StepId};

/// What a run is narrowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// One host.
    Host(HostName),
    /// Every host of a role.
    Role(Role),
    /// One stage.
    Stage(Stage),
}

/// A limit that names nothing; it lists what could be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no host, role or stage: hosts are {hosts}; roles (`role=…`) {roles}; stages (`stage=…`) {stages}")]
pub struct LimitError {
    /// The text.
    pub text: String,
    /// Valid hosts.
    pub hosts: String,
    /// Valid roles.
    pub roles: String,
    /// Valid stages.
    pub stages: String,
}

/// Stages by one word each.
const STAGES: [(&str, Stage); 8] = [
    ("hosts", Stage::Hosts),
    ("etcd", Stage::Etcd),
    ("loadBalancer", Stage::LoadBalancer),
    ("masters", Stage::Masters),
    ("nodes", Stage::Nodes),
    ("labels", Stage::Labels),
    ("dns", Stage::Dns),
    ("addons", Stage::Addons),
];

impl Limit {
    /// Reads `m1`, `host=m1`, `role=master` or `stage=etcd`. Upper and lower case and hyphens are the same in roles and stages.
    pub fn parse(text: &str, cluster: &Cluster) -> Result<Self, LimitError> {
        let (kind, name) = text.split_once('=').unwrap_or(("host", text));
        let is = |known: &str| known.eq_ignore_ascii_case(&name.replace('-', ""));
        let found = match kind {
            "host" => cluster.hosts.iter().find(|host| host.name.as_str() == name).map(|host| Self::Host(host.name.clone())),
            "role" => Role::ALL.into_iter().find(|role| is(role.as_str())).map(Self::Role),
            "stage" => STAGES.iter().find(|(known, _)| is(known)).map(|(_, stage)| Self::Stage(*stage)),
            _ => None,
        };
        found.ok_or_else(|| LimitError {
            text: text.to_owned(),
            hosts: cluster.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", "),
            roles: Role::ALL.map(Role::as_str).join(", "),
            stages: STAGES.map(|(name, _)| name).join(", "),
        })
    }

    fn names_host(&self, host: &HostName, cluster: &Cluster) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::Role(role) => cluster.host(host).is_some_and(|found| found.has(*role)),
            Self::Stage(_) => false,
        }
    }
}

/// The steps that some limit names. What goes through the API belongs to the cluster as a whole, a node's labels too, for they wait until all
/// nodes are ready: it is named with its stage, or when every host is.
fn named(plan: &Plan, limits: &[Limit], cluster: &Cluster) -> Vec<bool> {
    let every_host = cluster.hosts.iter().all(|host| limits.iter().any(|limit| limit.names_host(&host.name, cluster)));
    let is_named = |step: &Step| {
        limits.is_empty()
            || limits.contains(&Limit::Stage(step.stage))
            || step.host.as_ref().map_or(every_host, |host| limits.iter().any(|limit| limit.names_host(host, cluster)))
    };
    plan.steps.iter().map(is_named).collect()
}

/// A narrowed plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// The plan, numbered anew.
    pub plan: Plan,
    /// Steps that no limit names and that others need, by their new numbers.
    pub pulled_in: Vec<StepId>,
    /// Steps that were left out, with their former numbers.
    pub left_out: Vec<Step>,
}

/// Keeps the changes that a limit names, all that they need, and every gate that waits for kept changes only: a gate for the whole cluster
/// does not bring the whole cluster. A master that leaves the balance comes back, with all that this needs. No limit at all keeps everything.
pub fn limit(plan: &Plan, limits: &[Limit], cluster: &Cluster) -> Limited {
    let named = named(plan, limits, cluster);
    let mut kept = Selection { plan, named: &named, kept: vec![false; plan.steps.len()] };
    for (index, step) in plan.steps.iter().enumerate() {
        if named[index] && (step.action.changes() || matches!(step.action, Action::Transfer { .. })) {
            kept.keep(index);
        }
    }
    loop {
        let before = kept.count();
        kept.keep_returns();
        kept.keep_gates();
        if kept.count() == before {
            break;
        }
    }
    let kept = kept.kept;
    let mut numbers: BTreeMap<StepId, StepId> = BTreeMap::new();
    let mut limited = Limited { plan: Plan { format: plan.format, steps: Vec::new() }, pulled_in: Vec::new(), left_out: Vec::new() };
    for (index, step) in plan.steps.iter().enumerate() {
        if !kept[index] {
            limited.left_out.push(step.clone());
            continue;
        }
        let id = StepId(u32::try_from(limited.plan.steps.len()).unwrap_or(u32::MAX));
        numbers.insert(step.id, id);
        if !named[index] && step.action.changes() {
            limited.pulled_in.push(id);
        }
        limited.plan.steps.push(Step { id, after: step.after.iter().map(|before| numbers[before]).collect(), ..step.clone() });
    }
    limited
}

/// The steps of a plan that are kept so far. With a step all that it needs is kept.
struct Selection<'a> {
    plan: &'a Plan,
    named: &'a [bool],
    kept: Vec<bool>,
}

impl Selection<'_> {
    fn keep(&mut self, step: usize) {
        let mut stack = vec![step];
        while let Some(next) = stack.pop() {
            if !std::mem::replace(&mut self.kept[next], true) {
                stack.extend(self.plan.steps[next].after.iter().map(|before| before.0 as usize));
            }
        }
    }

    fn count(&self) -> usize {
        self.kept.iter().filter(|kept| **kept).count()
    }

    /// No master stays out of balance.
    fn keep_returns(&mut self) {
        let plan = self.plan;
        let drained = |step: &Step| matches!(step.action, Action::Drain { .. }) && self.kept[step.id.0 as usize];
        let drains: Vec<StepId> = plan.steps.iter().filter(|step| drained(step)).map(|step| step.id).collect();
        for (index, step) in plan.steps.iter().enumerate() {
            if matches!(&step.action, Action::Return { masters, .. } if masters.len() == 1)
                && step.after.iter().any(|id| drains.contains(id))
            {
                self.keep(index);
            }
        }
    }

    /// What must hold after kept changes and no others, and of what waits for no change at all what a limit names.
    fn keep_gates(&mut self) {
        // Whether each step waits for a change, and whether it waits for one that is not kept; a step comes after all that it needs.
        let mut waits: Vec<(bool, bool)> = Vec::with_capacity(self.plan.steps.len());
        for (index, step) in self.plan.steps.iter().enumerate() {
            let mut found = (false, false);
            for before in step.after.iter().map(|before| before.0 as usize) {
                let changes = self.plan.steps[before].action.changes();
                found.0 |= waits[before].0 || changes;
                found.1 |= waits[before].1 || (changes && !self.kept[before]);
            }
            waits.push(found);
            let is_gate = matches!(
                step.action,
                Action::Gate { .. } | Action::AddressGate { .. } | Action::ClusterGate { .. } | Action::Return { .. }
            );
            if is_gate && !found.1 && (found.0 || self.named[index]) {
                self.keep(index);
            }
        }
    }
}
