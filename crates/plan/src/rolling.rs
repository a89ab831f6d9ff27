//! Which hosts have running units that must restart, and the order in which they may: one host after the other.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Component, Host, HostName, Role};

use crate::build::PlanInputs;
use crate::graph::Key;
use crate::{Change, Difference, Resource, ResourceId};

/// Hosts that serve the control plane restart strictly one by one; plain nodes in groups of this many.
const NODES_AT_ONCE: usize = 5;

/// The order of restarts.
pub(crate) struct Rolling {
    /// Host to the steps of the hosts before it.
    waits: BTreeMap<HostName, Vec<Key>>,
    /// Host to the resources that wait: restarting units and their changed inputs, so that a bad value stops at the first host.
    chained: BTreeMap<HostName, BTreeSet<ResourceId>>,
    /// Host to its restarting components.
    components: BTreeMap<HostName, BTreeSet<Component>>,
}

impl Rolling {
    pub(crate) fn new(inputs: &PlanInputs<'_>, changes: &BTreeMap<&HostName, BTreeMap<ResourceId, Difference>>) -> Self {
        let mut rolling = Self { waits: BTreeMap::new(), chained: BTreeMap::new(), components: BTreeMap::new() };
        for host in &inputs.cluster.hosts {
            rolling.collect(inputs, host, &changes[&host.name]);
        }
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

    /// Keys that must be done before `id` on `host` may change.
    pub(crate) fn waits_for(&self, host: &HostName, id: &ResourceId) -> Vec<Key> {
        let chained = self.chained.get(host).is_some_and(|chained| chained.contains(id));
        if chained { self.waits.get(host).cloned().unwrap_or_default() } else { Vec::new() }
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
            .collect()
    }
}
