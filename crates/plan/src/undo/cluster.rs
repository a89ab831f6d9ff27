//! The order over all hosts.

use std::collections::{BTreeMap, BTreeSet};

use barque_event::Stage;
use barque_model::{Cluster, Component, HostName, Role, RunId};

use super::item::{HostItems, Part};
use crate::graph::{Graph, Key};
use crate::rolling::CONTROL;
use crate::{Action, KubeUndo, Plan, Resource, UndoItem};

/// Plain nodes that restart at the same time.
const NODES_AT_ONCE: usize = 5;

/// What a rollback follows from.
#[derive(Debug, Clone, Copy)]
pub struct UndoInputs<'a> {
    /// The cluster, for addresses and roles.
    pub cluster: &'a Cluster,
    /// What each host that answers brings back.
    pub items: &'a BTreeMap<HostName, Vec<UndoItem>>,
    /// Cluster objects to take back, latest change first.
    pub kube: &'a [KubeUndo],
    /// The state of before this run is restored.
    pub before: &'a RunId,
    /// Whether etcd's data are deleted where etcd ends.
    pub delete_data: bool,
    /// PEM of the Kubernetes certificate authority, for probes; empty when nothing is known of it, and then the API is not asked.
    pub authority: &'a str,
    /// Hosts that do not answer.
    pub unreachable: &'a BTreeSet<HostName>,
}

/// What a rollback is for the cluster as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It lives on: what serves it goes one host after the other.
    Change,
    /// It ends: no master or no etcd is left, so nothing has to be spared.
    Teardown,
    /// It comes back after it had been ended: etcd starts on all hosts at once, for it needs a quorum to be healthy.
    Rebuild,
}

/// Builds the plan of a rollback.
///
/// Left out are items that cannot come back, images where containerd goes with its data, and where etcd's data stay their folder and user;
/// [`irreversible`](super::irreversible) says so.
pub fn undo(inputs: &UndoInputs<'_>) -> Plan {
    Rollback::new(inputs).plan()
}

/// A rollback over all hosts.
pub(super) struct Rollback<'a> {
    pub(super) inputs: &'a UndoInputs<'a>,
    /// The cluster's hosts that answer, in file order, and after them hosts that the file does not name any more.
    pub(super) hosts: Vec<HostItems<'a>>,
    pub(super) course: Course,
    /// Balancers that serve during the rollback, or after it when the cluster comes back.
    pub(super) balancers: Vec<HostName>,
    /// Where etcd's data are copied first.
    snapshot: Option<HostName>,
    /// Host to what ends the turns before its own.
    waits: BTreeMap<&'a HostName, Vec<Key>>,
}

impl<'a> Rollback<'a> {
    pub(super) fn new(inputs: &'a UndoInputs<'a>) -> Self {
        let items = |name: &HostName| inputs.items.get(name).map(Vec::as_slice).unwrap_or_default();
        let answering = inputs.cluster.hosts.iter().filter(|host| !inputs.unreachable.contains(&host.name));
        let mut hosts: Vec<HostItems<'a>> =
            answering.map(|host| HostItems::new(&host.name, Some(host), items(&host.name), inputs.delete_data)).collect();
        let others = inputs.items.iter().filter(|(name, _)| inputs.cluster.host(name).is_none());
        hosts.extend(others.map(|(name, items)| HostItems::new(name, None, items, inputs.delete_data)));
        let course = course(&hosts);
        let mut rollback = Self { inputs, hosts, course, balancers: Vec::new(), snapshot: None, waits: BTreeMap::new() };
        if course != Course::Teardown {
            rollback.balancers = rollback.serving_balancers();
        }
        if course == Course::Change {
            rollback.snapshot = rollback.host_to_copy();
            rollback.waits = rollback.turns();
        }
        rollback
    }

    fn plan(&self) -> Plan {
        let mut graph = Graph::default();
        if let Some(host) = &self.snapshot {
            let title = "save a snapshot of etcd's data".to_owned();
            graph.step(Key::gate("snapshot"), Stage::Etcd, Some(host.clone()), title, Vec::new(), Action::Snapshot);
        }
        if self.course == Course::Change {
            self.objects(&mut graph, vec![Key::gate("snapshot")]);
        }
        for host in &self.hosts {
            for part in &host.parts {
                let mut after = host.before(part);
                after.extend(self.before(host, part));
                let item = part.item;
                let action =
                    Action::Restore { resource: item.resource.clone(), prior: item.prior.clone(), before: self.inputs.before.clone() };
                graph.step(part.key.clone(), part.stage(host), Some(host.name.clone()), part.title(host), after, action);
            }
            host.sweeps(&mut graph, self.inputs.cluster, self.inputs.delete_data);
            self.host_gates(&mut graph, host);
        }
        if self.course == Course::Rebuild {
            self.objects(&mut graph, self.api_gates());
        }
        if self.course != Course::Teardown {
            self.whole(&mut graph);
        }
        graph.into_plan()
    }

    /// Takes changes in the cluster back. Where the cluster ends they end with it.
    fn objects(&self, graph: &mut Graph, after: Vec<Key>) {
        let changes = self.inputs.kube;
        if changes.is_empty() {
            return;
        }
        let stage = if changes.iter().all(|change| matches!(change, KubeUndo::Node { .. })) {
            Stage::Labels
        } else if changes.iter().any(KubeUndo::is_of_addon) {
            Stage::Addons
        } else {
            Stage::Dns
        };
        let title = match changes {
            [change] => format!("take back the change of {}", change.name()),
            changes => format!("take back {} changes in the cluster", changes.len()),
        };
        let action = Action::UndoObjects { changes: changes.to_vec(), before: self.inputs.before.clone() };
        graph.step(Key::gate("objects"), stage, None, title, after, action);
    }

    /// What of the whole cluster comes before `part`.
    fn before(&self, host: &HostItems<'_>, part: &Part<'_>) -> Vec<Key> {
        let component = part.component();
        let mut keys = Vec::new();
        if component.is_some() || host.components().any(|(component, _)| host.starts(component) && part.is_input_of(component)) {
            keys.extend(self.waits.get(host.name).into_iter().flatten().cloned());
            if self.course == Course::Change && touches_control(host) {
                // While the API is there for sure.
                keys.extend([Key::gate("snapshot"), Key::gate("objects")]);
            }
        }
        let Some(component) = component else { return keys };
        if matches!(component, Component::Etcd | Component::KubeApiserver) {
            keys.push(Key::host_gate(host.name, "drain"));
        }
        match component {
            Component::KubeApiserver if host.starts(component) => keys.push(self.etcd_key(host)),
            // As in a deployment: kubelet needs the API, and the others their Node.
            Component::Kubelet if host.returns(component) && host.has(Role::Master) => keys.push(Key::host_gate(host.name, "api")),
            Component::Kubelet if host.returns(component) && self.course == Course::Rebuild => {
                keys.extend(self.api_gates());
                keys.push(Key::gate("api"));
            }
            Component::KubeProxy | Component::Flanneld if host.returns(component) => keys.push(host.unit_key(Component::Kubelet)),
            _ => {}
        }
        keys
    }

    /// Host to what ends the turns before its own: hosts that serve go one after the other, plain nodes in groups.
    fn turns(&self) -> BTreeMap<&'a HostName, Vec<Key>> {
        let touched = |host: &&HostItems<'a>| host.components().next().is_some();
        let serves = |host: &&HostItems<'a>| [Role::Etcd, Role::LoadBalancer, Role::Master].iter().any(|role| host.has(*role));
        let (serving, nodes): (Vec<&HostItems<'a>>, Vec<&HostItems<'a>>) = self.hosts.iter().filter(touched).partition(serves);
        let groups = |hosts: &[&HostItems<'a>], size: usize| {
            let groups: Vec<&[&HostItems<'a>]> = hosts.chunks(size).collect();
            let pairs = groups.windows(2).flat_map(|pair| {
                let ends: Vec<Key> = pair[0].iter().flat_map(|host| turn_ends(host)).collect();
                pair[1].iter().map(move |host| (host.name, ends.clone())).collect::<Vec<_>>()
            });
            pairs.collect::<Vec<_>>()
        };
        groups(&serving, 1).into_iter().chain(groups(&nodes, NODES_AT_ONCE)).collect()
    }

    fn serving_balancers(&self) -> Vec<HostName> {
        if self.inputs.cluster.load_balancer.is_none() {
            return Vec::new();
        }
        let serves = |host: &&HostItems<'_>| {
            let comes = self.course == Course::Rebuild || !host.returns(Component::Haproxy);
            host.has(Role::LoadBalancer) && !host.loses(Component::Haproxy) && comes
        };
        self.hosts.iter().filter(serves).map(|host| host.name.clone()).collect()
    }

    /// The etcd host that is most likely well: a change that went wrong has stopped at the first hosts.
    fn host_to_copy(&self) -> Option<HostName> {
        if !self.hosts.iter().any(touches_control) {
            return None;
        }
        let runs = |host: &&HostItems<'_>| host.has(Role::Etcd) && !host.loses(Component::Etcd) && !host.returns(Component::Etcd);
        let running: Vec<&HostItems<'_>> = self.hosts.iter().filter(runs).collect();
        let untouched = running.iter().rev().find(|host| !host.touches(Component::Etcd));
        untouched.or(running.last()).map(|host| host.name.clone())
    }

    /// Whether the master leaves the balance while what answers the API restarts or ends there.
    pub(super) fn drains(&self, host: &HostItems<'_>) -> bool {
        let others = self.staying(Role::Master, Component::KubeApiserver).filter(|other| other.name != host.name).count();
        let interrupted =
            [Component::Etcd, Component::KubeApiserver].iter().any(|component| host.restarts(*component) || host.ends(*component));
        self.course == Course::Change
            && host.has(Role::Master)
            && interrupted
            && !host.returns(Component::KubeApiserver)
            && others > 0
            && !self.balancers.is_empty()
    }

    /// What must be done before a master leaves the balance: the turns before, and its own files that do not wait for a unit to end.
    pub(super) fn before_drain(&self, host: &HostItems<'_>) -> Vec<Key> {
        let mut keys = self.waits.get(host.name).cloned().unwrap_or_default();
        keys.extend([Key::gate("snapshot"), Key::gate("objects")]);
        let free = |part: &Part<'_>| !host.components().any(|(component, _)| host.ends(component) && part.serves(component));
        let input = |part: &Part<'_>| host.components().any(|(component, _)| host.starts(component) && part.is_input_of(component));
        let is_file = |part: &Part<'_>| matches!(part.item.resource, Resource::File(_) | Resource::Binary(_));
        keys.extend(host.keys(|part| is_file(part) && input(part) && free(part)));
        keys
    }

    /// Hosts with `role` that answer and keep `component`.
    pub(super) fn staying(&self, role: Role, component: Component) -> impl Iterator<Item = &HostItems<'a>> {
        self.hosts.iter().filter(move |host| host.has(role) && !host.loses(component))
    }

    /// The gate that an API server waits for: its own host's etcd in its turn, or all of etcd where all of it starts.
    pub(super) fn etcd_key(&self, host: &HostItems<'_>) -> Key {
        if self.course == Course::Rebuild { Key::gate("etcd") } else { Key::host_gate(host.name, "etcd") }
    }

    /// Gates of the API servers that are interrupted or started.
    pub(super) fn api_gates(&self) -> Vec<Key> {
        self.hosts.iter().filter(|host| host.has(Role::Master)).map(|host| Key::host_gate(host.name, "api")).collect()
    }
}

fn course(hosts: &[HostItems<'_>]) -> Course {
    let all = |role: Role, wanted: &dyn Fn(&HostItems<'_>) -> bool| {
        let mut found = hosts.iter().filter(|host| host.has(role)).peekable();
        found.peek().is_some() && found.all(wanted)
    };
    // Its user goes with the last trace of etcd only: a program that was exchanged and exchanged back looks as if it came back too.
    let etcd_returns = |host: &HostItems<'_>| {
        let user = |part: &Part<'_>| matches!(&part.item.resource, Resource::User(user) if user.name == "etcd") && !part.goes();
        host.returns(Component::Etcd) && host.parts.iter().any(user)
    };
    if all(Role::Master, &|host| host.loses(Component::KubeApiserver)) || all(Role::Etcd, &|host| host.loses(Component::Etcd)) {
        Course::Teardown
    } else if all(Role::Etcd, &etcd_returns) {
        Course::Rebuild
    } else {
        Course::Change
    }
}

fn touches_control(host: &HostItems<'_>) -> bool {
    CONTROL.iter().any(|component| host.touches(*component))
}

/// What ends a host's turn: its units and the gates behind them. A gate that is not needed has no step.
fn turn_ends(host: &HostItems<'_>) -> Vec<Key> {
    let gates = ["etcd", "api", "address", "return"].map(|name| Key::host_gate(host.name, name));
    host.components().map(|(component, _)| host.unit_key(component)).chain(gates).collect()
}
