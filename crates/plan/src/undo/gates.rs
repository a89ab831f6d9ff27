//! What must hold between the turns and at the end of a rollback that leaves a cluster.
//!
//! Only what the rollback interrupts or starts is asked: it ran before, so it must run again. What a deployment that was cut short never
//! started is not waited for.

use std::net::SocketAddr;

use barque_event::Stage;
use barque_model::{Component, HostName, Role};

use super::cluster::{Course, Rollback};
use super::item::HostItems;
use crate::graph::{Graph, Key};
use crate::{Action, ClusterGate, Probe, ResourceId};

/// Seconds for what ran a moment ago.
const SHORT: u32 = 60;
/// Seconds for what starts and then takes up its work.
const LONG: u32 = 240;
/// Seconds that an API server must stay up when nothing can be asked of it.
const STABLE: u32 = 10;

impl Rollback<'_> {
    /// The gates of one host's turn.
    pub(super) fn host_gates(&self, graph: &mut Graph, host: &HostItems<'_>) {
        if self.course == Course::Teardown {
            return;
        }
        if self.course == Course::Change && host.starts(Component::Etcd) {
            let key = Key::host_gate(host.name, "etcd");
            graph.step(key, Stage::Etcd, Some(host.name.clone()), "etcd is healthy again".into(), etcd_tools(host), self.etcd_gate(SHORT));
        }
        if self.drains(host) {
            let action = Action::Drain { master: host.name.clone(), balancers: self.balancers.clone() };
            let title = format!("take {} out of balance", host.name);
            graph.step(Key::host_gate(host.name, "drain"), Stage::Masters, None, title, self.before_drain(host), action);
        }
        self.api_gate(graph, host);
        if self.drains(host) && !host.loses(Component::KubeApiserver) {
            let action = Action::Return { masters: vec![host.name.clone()], balancers: self.balancers.clone(), timeout_seconds: LONG };
            let after = vec![
                host.unit_key(Component::Etcd),
                Key::host_gate(host.name, "etcd"),
                host.unit_key(Component::KubeApiserver),
                Key::host_gate(host.name, "api"),
                Key::host_gate(host.name, "drain"),
            ];
            let title = format!("{} is back in balance", host.name);
            graph.step(Key::host_gate(host.name, "return"), Stage::Masters, None, title, after, action);
        }
        if balances(host)
            && let Some(action) = self.address_gate()
        {
            let after = vec![host.unit_key(Component::Haproxy), host.unit_key(Component::Keepalived)];
            let title = format!("one balancer holds {} after {}", self.address(), host.name);
            graph.step(Key::host_gate(host.name, "address"), Stage::LoadBalancer, None, title, after, action);
        }
    }

    fn api_gate(&self, graph: &mut Graph, host: &HostItems<'_>) {
        let interrupted = host.starts(Component::KubeApiserver) || host.starts(Component::Etcd);
        let Some(found) = host.host.filter(|found| found.has(Role::Master) && interrupted && !host.loses(Component::KubeApiserver)) else {
            return;
        };
        let probe = if self.inputs.authority.is_empty() {
            Probe::UnitStable { unit: Component::KubeApiserver.unit(), seconds: STABLE }
        } else {
            let server = format!("https://{}", SocketAddr::new(found.address, 6443));
            Probe::ApiReady { server, authority: self.inputs.authority.to_owned() }
        };
        let after = vec![host.unit_key(Component::Etcd), self.etcd_key(host), host.unit_key(Component::KubeApiserver)];
        let action = Action::Gate { probe, timeout_seconds: LONG };
        let key = Key::host_gate(host.name, "api");
        graph.step(key, Stage::Masters, Some(host.name.clone()), "the API server is ready".into(), after, action);
    }

    fn etcd_gate(&self, timeout_seconds: u32) -> Action {
        let members: Vec<_> = self.staying(Role::Etcd, Component::Etcd).filter_map(|host| host.host).collect();
        let endpoints = members.iter().map(|host| format!("https://{}", SocketAddr::new(host.address, 2379))).collect();
        let probe = Probe::EtcdHealthy { endpoints, members: u32::try_from(members.len()).unwrap_or(u32::MAX) };
        Action::Gate { probe, timeout_seconds }
    }

    fn address(&self) -> String {
        self.inputs.cluster.load_balancer.as_ref().map_or_else(String::new, |balancer| balancer.vip.to_string())
    }

    fn address_gate(&self) -> Option<Action> {
        let hosts = self.balancers.clone();
        (!hosts.is_empty()).then(|| Action::AddressGate { address: self.address(), hosts, timeout_seconds: SHORT })
    }

    /// What must hold at the end.
    pub(super) fn whole(&self, graph: &mut Graph) {
        let masters = self.hosts.iter().any(|host| {
            host.has(Role::Master)
                && !host.loses(Component::KubeApiserver)
                && (host.starts(Component::KubeApiserver) || host.starts(Component::Etcd))
        });
        self.whole_etcd(graph);
        if !self.balancers.is_empty() && (masters || self.hosts.iter().any(balances)) {
            self.whole_balance(graph);
        }
        self.whole_nodes(graph, masters);
    }

    fn whole_etcd(&self, graph: &mut Graph) {
        let Some(first) = self.staying(Role::Etcd, Component::Etcd).next() else { return };
        if !self.hosts.iter().any(|host| host.starts(Component::Etcd)) {
            return;
        }
        let mut after = etcd_tools(first);
        for host in self.staying(Role::Etcd, Component::Etcd) {
            after.extend([host.unit_key(Component::Etcd), Key::host_gate(host.name, "etcd")]);
        }
        let count = self.staying(Role::Etcd, Component::Etcd).count();
        let title = format!("all {count} etcd members are healthy, with one leader");
        graph.step(Key::gate("etcd"), Stage::Etcd, Some(first.name.clone()), title, after, self.etcd_gate(LONG));
    }

    fn whole_balance(&self, graph: &mut Graph) {
        let mut after = self.api_gates();
        for host in &self.hosts {
            after.extend([Component::Haproxy, Component::Keepalived].map(|component| host.unit_key(component)));
            after.extend(["address", "return"].map(|name| Key::host_gate(host.name, name)));
        }
        let masters = self.staying(Role::Master, Component::KubeApiserver).map(|host| host.name.clone()).collect();
        let action = Action::Return { masters, balancers: self.balancers.clone(), timeout_seconds: SHORT };
        let title = "every balancer sees every API server".to_owned();
        graph.step(Key::gate("balance"), Stage::LoadBalancer, None, title, after.clone(), action);
        let address = self.address();
        if let Some(action) = self.address_gate() {
            let title = format!("exactly one balancer holds {address}");
            graph.step(Key::gate("address"), Stage::LoadBalancer, None, title, after.clone(), action);
        }
        // Asked from a host that is not a balancer, as every client is.
        let named = || self.hosts.iter().filter(|host| host.host.is_some());
        let from = named().rfind(|host| !host.has(Role::LoadBalancer)).or_else(|| named().next());
        if let Some(from) = from.filter(|_| !self.inputs.authority.is_empty()) {
            let probe = Probe::ApiReady { server: self.inputs.cluster.api_url(), authority: self.inputs.authority.to_owned() };
            after.push(Key::gate("address"));
            let action = Action::Gate { probe, timeout_seconds: SHORT };
            let title = format!("the API answers through {address}");
            graph.step(Key::gate("api"), Stage::LoadBalancer, Some(from.name.clone()), title, after, action);
        }
    }

    fn whole_nodes(&self, graph: &mut Graph, masters: bool) {
        let restarted = |host: &HostItems<'_>| host.starts(Component::Kubelet) || host.starts(Component::Containerd);
        let is_node = |host: &&HostItems<'_>| host.host.is_some_and(barque_model::Host::is_node) && !host.loses(Component::Kubelet);
        let nodes: Vec<HostName> =
            self.hosts.iter().filter(is_node).filter(|host| masters || restarted(host)).map(|host| host.name.clone()).collect();
        if nodes.is_empty() || self.inputs.authority.is_empty() {
            return;
        }
        let mut after = self.api_gates();
        after.push(Key::gate("api"));
        for host in self.hosts.iter().filter(is_node) {
            after.extend([Component::Containerd, Component::Kubelet].map(|component| host.unit_key(component)));
        }
        let title = if nodes.len() == 1 { format!("{} is Ready", nodes[0]) } else { format!("{} nodes are Ready", nodes.len()) };
        let action = Action::ClusterGate { gate: ClusterGate::NodesReady { nodes }, timeout_seconds: LONG };
        graph.step(Key::gate("nodes"), Stage::Nodes, None, title, after, action);
    }
}

/// Whether a balancer is interrupted or started.
fn balances(host: &HostItems<'_>) -> bool {
    host.starts(Component::Haproxy) || host.starts(Component::Keepalived)
}

/// What asking etcd from `host` needs.
fn etcd_tools(host: &HostItems<'_>) -> Vec<Key> {
    let resource = |id: &str| Key::resource(host.name, &ResourceId(id.to_owned()));
    vec![
        host.unit_key(Component::Etcd),
        resource("binary /usr/local/bin/etcdctl"),
        resource("file /etc/kubernetes/pki/etcd/healthcheck-client.crt"),
        resource("file /etc/kubernetes/pki/etcd/healthcheck-client.key"),
    ]
}
