//! Collects steps by key and numbers them so that each comes after all that it needs.

use std::collections::{BTreeMap, BTreeSet};

use barque_event::Stage;
use barque_model::{Digest, HostName};

use crate::{Action, PLAN_FORMAT, Plan, ResourceId, Step, StepId};

/// Names a step while the graph is built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn resource(host: &HostName, id: &ResourceId) -> Self {
        Self(format!("{host}/{id}"))
    }

    pub(crate) fn blob(host: &HostName, digest: &Digest) -> Self {
        Self(format!("{host}/blob {digest}"))
    }

    pub(crate) fn gate(name: &str) -> Self {
        Self(format!("gate {name}"))
    }

    pub(crate) fn host_gate(host: &HostName, name: &str) -> Self {
        Self(format!("{host}/gate {name}"))
    }
}

struct Draft {
    stage: Stage,
    host: Option<HostName>,
    title: String,
    action: Action,
}

/// The graph under construction.
#[derive(Default)]
pub(crate) struct Graph {
    order: Vec<Key>,
    drafts: BTreeMap<Key, Draft>,
    after: BTreeMap<Key, Vec<Key>>,
}

impl Graph {
    /// Adds a step. Keys in `after` that turn out to have no step stand for what they themselves wait for.
    pub(crate) fn step(&mut self, key: Key, stage: Stage, host: Option<HostName>, title: String, after: Vec<Key>, action: Action) {
        if self.drafts.contains_key(&key) {
            return;
        }
        self.order.push(key.clone());
        self.after.insert(key.clone(), after);
        self.drafts.insert(key, Draft { stage, host, title, action });
    }

    /// Whether there is a step of this key.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.drafts.contains_key(key)
    }

    /// Notes what a resource without a step would have waited for.
    pub(crate) fn pass_through(&mut self, key: Key, after: Vec<Key>) {
        self.after.insert(key, after);
    }

    /// Numbers the steps: stable in the order of insertion, each after all that it needs.
    ///
    /// # Panics
    /// When the graph has a cycle, which is a defect of the planner and not of any input.
    pub(crate) fn into_plan(self) -> Plan {
        let needs: BTreeMap<&Key, BTreeSet<&Key>> = self.order.iter().map(|key| (key, self.steps_before(key))).collect();
        let mut numbers: BTreeMap<&Key, StepId> = BTreeMap::new();
        let mut sorted: Vec<&Key> = Vec::with_capacity(self.order.len());
        let mut waiting: Vec<&Key> = self.order.iter().collect();
        while !waiting.is_empty() {
            let before = sorted.len();
            waiting.retain(|key| {
                let ready = needs[*key].iter().all(|needed| numbers.contains_key(*needed));
                if ready {
                    numbers.insert(key, StepId(u32::try_from(sorted.len()).unwrap_or(u32::MAX)));
                    sorted.push(key);
                }
                !ready
            });
            assert!(sorted.len() > before, "the step graph has a cycle among {waiting:?}");
        }
        let steps = sorted
            .iter()
            .map(|key| {
                let draft = &self.drafts[*key];
                let mut after: Vec<StepId> = needs[*key].iter().map(|needed| numbers[*needed]).collect();
                after.sort();
                Step {
                    id: numbers[*key],
                    stage: draft.stage,
                    host: draft.host.clone(),
                    title: draft.title.clone(),
                    action: draft.action.clone(),
                    after,
                }
            })
            .collect();
        Plan { format: PLAN_FORMAT, steps }
    }

    fn steps_before<'a>(&'a self, key: &'a Key) -> BTreeSet<&'a Key> {
        let mut found = BTreeSet::new();
        let mut visited = BTreeSet::new();
        let mut stack: Vec<&Key> = self.after.get(key).into_iter().flatten().collect();
        while let Some(needed) = stack.pop() {
            if !visited.insert(needed) {
                continue;
            }
            if self.drafts.contains_key(needed) {
                found.insert(needed);
            } else {
                stack.extend(self.after.get(needed).into_iter().flatten());
            }
        }
        found
    }
}
