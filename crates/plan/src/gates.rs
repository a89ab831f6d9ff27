//! What must hold after the changes, and the changes that go through the Kubernetes API.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{Component, Host, HostName, ObjectDifference, Role};

use crate::build::{ClusterObject, PlanInputs, node_labels};
use crate::graph::{Graph, Key};
use crate::held::held_objects;
use crate::rolling::Rolling;
use crate::{Action, Change, ClusterGate, DesiredResource, Difference, Probe, ResourceId};

const SHORT: u32 = 60;
const LONG: u32 = 240;

pub(crate) fn add(graph: &mut Graph, inputs: &PlanInputs<'_>, rolling: &Rolling) {
    if let Some(host) = rolling.snapshot() {
        let title = "save a snapshot of etcd's data".to_owned();
        graph.step(Key::gate("snapshot"), Stage::Etcd, Some(host.clone()), title, Vec::new(), Action::Snapshot);
    }
    etcd(graph, inputs, rolling);
    api(graph, inputs);
    balancer(graph, inputs, rolling);
    objects(graph, inputs);
    crate::pulls::add(graph, inputs);
    nodes(graph, inputs);
    dns(graph, inputs);
}

/// Gates that a component waits for before it starts or restarts.
///
/// kubelet waits for the API on its first start only. Measured on seven hosts: started before the API, its back-off and that of its CSINode
/// initialisation cost 20 s; started when the API answers, a node is Ready 2 s later. kube-proxy and flanneld need their Node.
pub(crate) fn before(inputs: &PlanInputs<'_>, host: &Host, wanted: &DesiredResource, found: &Difference, rolling: &Rolling) -> Vec<Key> {
    let mut pulls = match (wanted.component, found.change) {
        (Some(Component::Kubelet), Change::Start) => crate::pulls::before_kubelet(inputs, host),
        _ => Vec::new(),
    };
    pulls.extend(match (wanted.component, found.change) {
        (Some(Component::KubeApiserver), _) => vec![rolling.etcd_gate_for(&host.name, &wanted.resource.id())],
        (Some(Component::Kubelet), Change::Start) if host.has(Role::Master) => {
            vec![Key::host_gate(&host.name, "api"), Key::gate("bootstrap")]
        }
        (Some(Component::Kubelet), Change::Start) if inputs.cluster.load_balancer.is_some() => {
            vec![Key::gate("api"), Key::gate("bootstrap")]
        }
        (Some(Component::Kubelet), Change::Start) => api_gates(inputs).into_iter().take(1).collect(),
        (Some(Component::KubeProxy | Component::Flanneld), Change::Start) => vec![unit_key(host, Component::Kubelet)],
        _ => Vec::new(),
    });
    pulls
}

fn unit_key(host: &Host, component: Component) -> Key {
    Key::resource(&host.name, &ResourceId(format!("unit {}", component.unit())))
}

fn units(inputs: &PlanInputs<'_>, component: Component) -> Vec<Key> {
    inputs.cluster.running(component).map(|host| unit_key(host, component)).collect()
}

fn etcd(graph: &mut Graph, inputs: &PlanInputs<'_>, rolling: &Rolling) {
    let members: Vec<&Host> = inputs.cluster.with_role(Role::Etcd).collect();
    let endpoints: Vec<String> = members.iter().map(|host| format!("https://{}:2379", host.address)).collect();
    let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let gate =
        |seconds| Action::Gate { probe: Probe::EtcdHealthy { endpoints: endpoints.clone(), members: count }, timeout_seconds: seconds };
    for host in &members {
        let key = Key::host_gate(&host.name, "etcd");
        let needed = vec![unit_key(host, Component::Etcd), etcdctl(host)];
        if rolling.restarts(&host.name, Component::Etcd) {
            graph.step(key, Stage::Etcd, Some(host.name.clone()), "etcd is healthy again".into(), needed, gate(SHORT));
        } else {
            graph.pass_through(key, needed);
        }
    }
    if let Some(first) = members.first() {
        let mut needed = units(inputs, Component::Etcd);
        needed.push(etcdctl(first));
        needed.push(Key::resource(&first.name, &ResourceId("file /etc/kubernetes/pki/etcd/healthcheck-client.key".into())));
        needed.push(Key::resource(&first.name, &ResourceId("file /etc/kubernetes/pki/etcd/healthcheck-client.crt".into())));
        let title = format!("all {count} etcd members are healthy, with one leader");
        graph.step(Key::gate("etcd"), Stage::Etcd, Some(first.name.clone()), title, needed, gate(LONG));
    }
}

fn etcdctl(host: &Host) -> Key {
    Key::resource(&host.name, &ResourceId("binary /usr/local/bin/etcdctl".into()))
}

fn api(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    for host in inputs.cluster.with_role(Role::Master) {
        let probe = Probe::ApiReady {
            server: format!("https://{}", std::net::SocketAddr::new(host.address, 6443)),
            authority: inputs.authority.to_owned(),
        };
        let needed = vec![unit_key(host, Component::KubeApiserver)];
        let action = Action::Gate { probe, timeout_seconds: LONG };
        graph.step(
            Key::host_gate(&host.name, "api"),
            Stage::Masters,
            Some(host.name.clone()),
            "the API server is ready".into(),
            needed,
            action,
        );
    }
}

fn api_gates(inputs: &PlanInputs<'_>) -> Vec<Key> {
    inputs.cluster.with_role(Role::Master).map(|host| Key::host_gate(&host.name, "api")).collect()
}

fn balancer(graph: &mut Graph, inputs: &PlanInputs<'_>, rolling: &Rolling) {
    let Some(balancer) = &inputs.cluster.load_balancer else { return };
    let hosts: Vec<HostName> = inputs.cluster.with_role(Role::LoadBalancer).map(|host| host.name.clone()).collect();
    let address = balancer.vip.to_string();
    let gate = || Action::AddressGate { address: address.clone(), hosts: hosts.clone(), timeout_seconds: SHORT };
    for host in inputs.cluster.with_role(Role::LoadBalancer) {
        let needed = vec![unit_key(host, Component::Haproxy), unit_key(host, Component::Keepalived)];
        let key = Key::host_gate(&host.name, "address");
        if rolling.restarts(&host.name, Component::Haproxy) || rolling.restarts(&host.name, Component::Keepalived) {
            graph.step(key, Stage::LoadBalancer, None, format!("one balancer holds {address} after {}", host.name), needed, gate());
        } else {
            graph.pass_through(key, needed);
        }
    }
    if hosts.is_empty() {
        // No balancer answers: they are pending, and so is what they do.
        return;
    }
    in_balance(graph, inputs, rolling, &hosts);
    let mut needed = units(inputs, Component::Keepalived);
    needed.extend(units(inputs, Component::Haproxy));
    graph.step(Key::gate("address"), Stage::LoadBalancer, None, format!("exactly one balancer holds {address}"), needed, gate());
    // Asked from a host that is not a balancer, as every client is.
    let from = inputs.cluster.hosts.iter().rev().find(|host| !host.has(Role::LoadBalancer)).or(inputs.cluster.hosts.first());
    if let Some(from) = from {
        let probe = Probe::ApiReady { server: inputs.cluster.api_url(), authority: inputs.authority.to_owned() };
        let mut needed = api_gates(inputs);
        needed.push(Key::gate("address"));
        let title = format!("the API answers through {address}");
        graph.step(
            Key::gate("api"),
            Stage::LoadBalancer,
            Some(from.name.clone()),
            title,
            needed,
            Action::Gate { probe, timeout_seconds: SHORT },
        );
    }
}

/// Masters leave the balance before they restart and come back when they answer; at the end every balancer sees every master.
fn in_balance(graph: &mut Graph, inputs: &PlanInputs<'_>, rolling: &Rolling, balancers: &[HostName]) {
    let mut returned = Vec::new();
    for host in inputs.cluster.with_role(Role::Master).filter(|host| rolling.drains(&host.name)) {
        let action = Action::Drain { master: host.name.clone(), balancers: balancers.to_vec() };
        let title = format!("take {} out of balance", host.name);
        graph.step(Key::host_gate(&host.name, "drain"), Stage::Masters, None, title, rolling.before_drain(&host.name), action);
        let needed = vec![
            unit_key(host, Component::Etcd),
            Key::host_gate(&host.name, "etcd"),
            unit_key(host, Component::KubeApiserver),
            Key::host_gate(&host.name, "api"),
            Key::host_gate(&host.name, "drain"),
        ];
        let action = Action::Return { masters: vec![host.name.clone()], balancers: balancers.to_vec(), timeout_seconds: LONG };
        let title = format!("{} is back in balance", host.name);
        graph.step(Key::host_gate(&host.name, "return"), Stage::Masters, None, title, needed, action);
        returned.push(Key::host_gate(&host.name, "return"));
    }
    let masters: Vec<HostName> = inputs.cluster.with_role(Role::Master).map(|host| host.name.clone()).collect();
    let mut needed = api_gates(inputs);
    needed.extend(units(inputs, Component::Haproxy));
    needed.extend(returned);
    let action = Action::Return { masters, balancers: balancers.to_vec(), timeout_seconds: SHORT };
    graph.step(Key::gate("balance"), Stage::LoadBalancer, None, "every balancer sees every API server".into(), needed, action);
}

fn objects(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    let first_api = api_gates(inputs).into_iter().next();
    let mut apply = |name: &str, stage: Stage, title: &str, objects: &[ClusterObject], after: Vec<Key>| {
        apply_objects(graph, inputs, Key::gate(name), stage, title.to_owned(), objects, after);
    };
    apply("bootstrap", Stage::Masters, "grant the components their rights", inputs.bootstrap, first_api.into_iter().collect());
    // Pods that start before their host's flannel fail, and are tried again seconds later: CoreDNS comes after it.
    apply("dns objects", Stage::Dns, "apply CoreDNS", inputs.dns, pods_can_start(inputs));
}

/// What pods wait for: rights, nodes, and the pod network of each.
pub(crate) fn pods_can_start(inputs: &PlanInputs<'_>) -> Vec<Key> {
    let mut after = vec![Key::gate("bootstrap"), Key::gate("nodes")];
    after.extend(inputs.cluster.running(Component::Flanneld).map(|host| Key::host_gate(&host.name, "flannel")));
    after
}

/// Applies the objects that differ; those that somebody edited only when edits are overwritten.
pub(crate) fn apply_objects(
    graph: &mut Graph,
    inputs: &PlanInputs<'_>,
    key: Key,
    stage: Stage,
    title: String,
    objects: &[ClusterObject],
    after: Vec<Key>,
) {
    let differs = |object: &&ClusterObject| match inputs.facts.objects.get(&object.name) {
        Some(ObjectDifference::Same) => false,
        Some(ObjectDifference::Edited) => inputs.overwrite_drift,
        Some(ObjectDifference::Differs | ObjectDifference::Absent) | None => true,
    };
    let differing: Vec<&ClusterObject> = objects.iter().filter(differs).collect();
    if differing.is_empty() {
        graph.pass_through(key, after);
        return;
    }
    let action = Action::Objects {
        objects: differing.iter().map(|object| object.json.clone()).collect(),
        names: differing.iter().map(|object| object.name.clone()).collect(),
    };
    graph.step(key, stage, None, title, after, action);
}

fn nodes(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    let kube: Vec<&Host> = inputs.cluster.hosts.iter().filter(|host| host.is_node()).collect();
    let mut needed = units(inputs, Component::Kubelet);
    needed.extend([Key::gate("bootstrap"), Key::gate("api")]);
    needed.extend(api_gates(inputs));
    let gate = ClusterGate::NodesReady { nodes: kube.iter().map(|host| host.name.clone()).collect() };
    let title = if let [only] = kube.as_slice() { format!("{} is Ready", only.name) } else { format!("{} nodes are Ready", kube.len()) };
    graph.step(Key::gate("nodes"), Stage::Nodes, None, title, needed, Action::ClusterGate { gate, timeout_seconds: LONG });
    for host in &kube {
        let action = Action::Gate { probe: Probe::PathExists { path: "/run/flannel/subnet.env".into() }, timeout_seconds: LONG };
        let needed = vec![unit_key(host, Component::Flanneld)];
        graph.step(
            Key::host_gate(&host.name, "flannel"),
            Stage::Nodes,
            Some(host.name.clone()),
            "flannel has its subnet".into(),
            needed,
            action,
        );
    }
    for host in kube {
        let state = inputs.facts.nodes.iter().find(|node| node.name == host.name.as_str());
        let labels: BTreeMap<String, String> =
            node_labels(host).into_iter().filter(|(key, value)| state.and_then(|node| node.labels.get(key)) != Some(value)).collect();
        let taints: Vec<_> = host.taints.iter().filter(|taint| !state.is_some_and(|node| node.taints.contains(taint))).cloned().collect();
        let key = Key::host_gate(&host.name, "labels");
        if labels.is_empty() && taints.is_empty() {
            graph.pass_through(key, vec![Key::gate("nodes")]);
        } else {
            let title = format!("label {}", host.name);
            let action = Action::Node { node: host.name.clone(), labels, taints };
            graph.step(key, Stage::Labels, None, title, vec![Key::gate("nodes")], action);
        }
    }
}

/// Each of its pods is on a host of its own.
fn replicas_of_dns(inputs: &PlanInputs<'_>) -> u32 {
    let values = inputs.dns.iter().filter_map(|object| serde_json::from_str::<serde_json::Value>(&object.json).ok());
    let replicas = values.filter(|object| object["kind"] == "Deployment").find_map(|object| object["spec"]["replicas"].as_u64());
    replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1)
}

fn dns(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    let kube: Vec<&Host> = inputs.cluster.hosts.iter().filter(|host| host.is_node()).collect();
    let mut needed = vec![Key::gate("dns objects"), Key::gate("nodes")];
    for host in &kube {
        let images = inputs.desired.get(&host.name).into_iter().flat_map(|desired| &desired.resources);
        // Add-ons' images are none of its business.
        let images = images.filter(|wanted| matches!(wanted.resource, crate::Resource::Image(_)) && wanted.stage != Stage::Addons);
        needed.extend(images.map(|wanted| Key::resource(&host.name, &wanted.resource.id())));
    }
    needed.extend(units(inputs, Component::Flanneld));
    let gate = ClusterGate::DeploymentReady { namespace: "kube-system".into(), name: "coredns".into(), nodes: replicas_of_dns(inputs) };
    let edited = held_objects(inputs);
    if inputs.dns.iter().any(|object| edited.contains(&object.name.as_str())) {
        // Somebody runs it in another way on purpose; what counts is that it answers.
        graph.pass_through(Key::gate("dns"), needed);
    } else {
        let action = Action::ClusterGate { gate, timeout_seconds: LONG };
        graph.step(Key::gate("dns"), Stage::Dns, None, "CoreDNS is ready on different hosts".into(), needed, action);
    }
    for host in kube {
        let probe = Probe::DnsAnswers {
            server: inputs.cluster.network.dns_service_address().to_string(),
            name: format!("kubernetes.default.svc.{}.", inputs.cluster.network.dns_domain),
            address: inputs.cluster.network.api_service_address().to_string(),
        };
        let needed = vec![Key::gate("dns"), unit_key(host, Component::KubeProxy), unit_key(host, Component::Flanneld)];
        let action = Action::Gate { probe, timeout_seconds: SHORT };
        graph.step(
            Key::host_gate(&host.name, "dns"),
            Stage::Dns,
            Some(host.name.clone()),
            "the cluster's DNS answers".into(),
            needed,
            action,
        );
    }
}
