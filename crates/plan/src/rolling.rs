//! Which hosts have running units that must restart, and the order in which they may: one host after the other.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Component, Host, HostName, Role};

use crate::build::PlanInputs;
use crate::graph::Key;
use crate::{Change, Difference, Observed, Resource, ResourceId};

/// Hosts that serve the control plane restart strictly one by one; plain nodes in groups of this many.
const NODES_AT_ONCE: usize = 5;

/// Components whose change is preceded by a copy of etcd's data.
pub(crate) const CONTROL: [Component; 4] =
    [Component::Etcd, Component::KubeApiserver, Component::KubeControllerManager, Component::KubeScheduler];

/// Whether `component` runs on a host that has it, before the plan begins.
fn runs(changes: &BTreeMap<&HostName, BTreeMap<ResourceId, Difference>>, host: &HostName, component: Component) -> bool {
    let id = ResourceId(format!("unit {}", component.unit()));
    changes.get(host).is_none_or(|changed| changed.get(&id).is_none_or(|found| found.change != Change::Start))
}

/// The order of restarts.
pub(crate) struct Rolling {
    /// Host to the steps of the hosts before it.
    waits: BTreeMap<HostName, Vec<Key>>,
    /// Host to the resources that wait: restarting units and their changed inputs, so that a bad value stops at the first host.
    chained: BTreeMap<HostName, BTreeSet<ResourceId>>,
    /// Host to its restarting components.
    components: BTreeMap<HostName, BTreeSet<Component>>,
    /// Masters that leave the balance while they restart.
    drained: BTreeSet<HostName>,
    /// Masters whose API servers start, which those that leave the balance wait for.
    starting: BTreeSet<HostName>,
    /// The host whose etcd is copied before the control plane changes.
    snapshot: Option<HostName>,
}

impl Rolling {
    pub(crate) fn new(inputs: &PlanInputs<'_>, changes: &BTreeMap<&HostName, BTreeMap<ResourceId, Difference>>) -> Self {
        let mut rolling = Self {
            waits: BTreeMap::new(),
            chained: BTreeMap::new(),
            components: BTreeMap::new(),
            drained: BTreeSet::new(),
            starting: BTreeSet::new(),
            snapshot: None,
        };
        for host in &inputs.cluster.hosts {
            rolling.collect(inputs, host, &changes[&host.name]);
        }
        rolling.drained = rolling.choose_drained(inputs, changes);
        rolling.snapshot = rolling.to_copy(inputs);
        let serves = |host: &&Host| [Role::Etcd, Role::LoadBalancer, Role::Master].iter().any(|role| host.has(*role));
        let restarting = |host: &&Host| rolling.components.contains_key(&host.name);
        let control: Vec<&Host> = inputs.cluster.hosts.iter().filter(restarting).filter(serves).collect();
        let nodes: Vec<&Host> = inputs.cluster.hosts.iter().filter(restarting).filter(|host| !serves(host)).collect();
        let mut waits = BTreeMap::new();
        for pair in control.windows(2) {
            waits.insert(pair[1].name.clone(), rolling.last_of(pair[0]));
        }
        let groups: Vec<&[&Host]> = nodes.chunks(NODES_AT_ONCE).collect();
        for pair in groups.windows(2) {
            let before: Vec<Key> = pair[0].iter().flat_map(|host| rolling.last_of(host)).collect();
            for host in pair[1] {
                waits.insert(host.name.clone(), before.clone());
            }
        }
        rolling.waits = waits;
        rolling
    }

    fn collect(&mut self, inputs: &PlanInputs<'_>, host: &Host, changed: &BTreeMap<ResourceId, Difference>) {
        let Some(desired) = inputs.desired.get(&host.name) else { return };
        for wanted in &desired.resources {
            let (Resource::Unit(_), Some(component)) = (&wanted.resource, wanted.component) else { continue };
            let id = wanted.resource.id();
            let restarts = changed.get(&id).is_some_and(|found| matches!(found.change, Change::Restart | Change::Reload));
            if restarts {
                let chained = self.chained.entry(host.name.clone()).or_default();
                chained.extend(wanted.inputs.iter().filter(|input| changed.contains_key(*input)).cloned());
                chained.insert(id);
                self.components.entry(host.name.clone()).or_default().insert(component);
            }
        }
    }

    /// Masters that restart what answers the API, where balancers run already and another master can answer meanwhile.
    ///
    /// One whose API server does not run serves nobody. Where the others' API servers do not run either, as after a first deployment that was
    /// cut off, they are started first and waited for, unless etcd restarts: they wait for that themselves.
    fn choose_drained(
        &mut self,
        inputs: &PlanInputs<'_>,
        changes: &BTreeMap<&HostName, BTreeMap<ResourceId, Difference>>,
    ) -> BTreeSet<HostName> {
        let masters: Vec<&HostName> = inputs.cluster.with_role(Role::Master).map(|host| &host.name).collect();
        let balanced = inputs.cluster.with_role(Role::LoadBalancer).any(|host| runs(changes, &host.name, Component::Haproxy));
        if masters.len() < 2 || !balanced {
            return BTreeSet::new();
        }
        let (running, starting): (Vec<&HostName>, Vec<&HostName>) =
            masters.iter().partition(|host| runs(changes, host, Component::KubeApiserver));
        let etcd_restarts = self.components.values().flatten().any(|component| *component == Component::Etcd);
        if running.len() < 2 && etcd_restarts {
            return BTreeSet::new();
        }
        if running.len() < 2 {
            self.starting = starting.into_iter().cloned().collect();
        }
        let answers = |host: &&&HostName| self.restarts(host, Component::Etcd) || self.restarts(host, Component::KubeApiserver);
        running.iter().filter(answers).map(|host| (*host).clone()).collect()
    }

    /// A host with a running etcd, when the control plane is about to change.
    fn to_copy(&self, inputs: &PlanInputs<'_>) -> Option<HostName> {
        let touched = self.components.values().flatten().any(|component| CONTROL.contains(component));
        let id = ResourceId(format!("unit {}", Component::Etcd.unit()));
        let runs = |host: &&Host| {
            let seen = inputs.observed.get(&host.name).and_then(|seen| seen.resources.get(&id));
            matches!(seen, Some(Observed::Unit(state)) if state.is_active() && state.fingerprint.is_some())
        };
        if touched { inputs.cluster.with_role(Role::Etcd).find(runs).map(|host| host.name.clone()) } else { None }
    }

    /// The host whose etcd is copied first.
    pub(crate) const fn snapshot(&self) -> Option<&HostName> {
        self.snapshot.as_ref()
    }

    /// Whether `host` leaves the balance while it restarts.
    pub(crate) fn drains(&self, host: &HostName) -> bool {
        self.drained.contains(host)
    }

    /// What must be done before `host` leaves the balance: its predecessors' turns, the writing of its own files, and that another can answer.
    pub(crate) fn before_drain(&self, host: &HostName) -> Vec<Key> {
        let files = self.chained.get(host).into_iter().flatten().filter(|id| !id.0.starts_with("unit "));
        let mut before: Vec<Key> = files.map(|id| Key::resource(host, id)).collect();
        before.extend(self.waits.get(host).into_iter().flatten().cloned());
        before.extend(self.starting.iter().map(|other| Key::host_gate(other, "api")));
        before
    }

    /// Keys that must be done before `id` on `host` may change.
    pub(crate) fn waits_for(&self, host: &HostName, id: &ResourceId) -> Vec<Key> {
        if !self.chained.get(host).is_some_and(|chained| chained.contains(id)) {
            return Vec::new();
        }
        let mut waits = self.waits.get(host).cloned().unwrap_or_default();
        let serving = [Component::Etcd, Component::KubeApiserver].iter().any(|component| id.0 == format!("unit {}", component.unit()));
        if serving && self.drains(host) {
            waits.push(Key::host_gate(host, "drain"));
        }
        if self.snapshot.is_some()
            && self.components.get(host).is_some_and(|components| components.iter().any(|found| CONTROL.contains(found)))
        {
            waits.push(Key::gate("snapshot"));
        }
        waits
    }

    /// Whether `component` restarts on `host`.
    pub(crate) fn restarts(&self, host: &HostName, component: Component) -> bool {
        self.components.get(host).is_some_and(|components| components.contains(&component))
    }

    /// The gate that a changed API server waits for: its own host's etcd when it restarts in a chain, else the whole etcd cluster.
    pub(crate) fn etcd_gate_for(&self, host: &HostName, id: &ResourceId) -> Key {
        let chained = self.chained.get(host).is_some_and(|chained| chained.contains(id));
        if chained { Key::host_gate(host, "etcd") } else { Key::gate("etcd") }
    }

    /// What ends a host's turn: its restarted units and the gates behind them.
    fn last_of(&self, host: &Host) -> Vec<Key> {
        let Some(components) = self.components.get(&host.name) else { return Vec::new() };
        components
            .iter()
            .flat_map(|component| {
                let unit = Key::resource(&host.name, &ResourceId(format!("unit {}", component.unit())));
                let gate = match component {
                    Component::Etcd => Some(Key::host_gate(&host.name, "etcd")),
                    Component::KubeApiserver => Some(Key::host_gate(&host.name, "api")),
                    Component::Haproxy | Component::Keepalived => Some(Key::host_gate(&host.name, "address")),
                    _ => None,
                };
                [Some(unit), gate].into_iter().flatten()
            })
            .chain(self.drains(&host.name).then(|| Key::host_gate(&host.name, "return")))
            .collect()
    }
}
