//! The control plane: API, etcd, kubelets, VRRP.

use barque_model::{Cluster, Component, Host, Role};

use super::{networks, parties, port};
use crate::flow::{Flow, FlowId, Party, Passage, Protocol};

/// `--secure-port` of kube-apiserver, which barque owns.
const API_PORT: u16 = 6443;
/// `--listen-client-urls` of etcd, which barque owns.
const ETCD_CLIENT_PORT: u16 = 2379;
/// `--listen-peer-urls` of etcd, which barque owns.
const ETCD_PEER_PORT: u16 = 2380;
/// `port` of kubelet, whose default barque keeps.
const KUBELET_PORT: u16 = 10250;
/// `--secure-port` of kube-controller-manager, whose default barque keeps.
const CONTROLLER_MANAGER_PORT: u16 = 10257;
/// `--secure-port` of kube-scheduler, whose default barque keeps.
const SCHEDULER_PORT: u16 = 10259;

pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    let mut flows = api(cluster);
    let members = || cluster.running(Component::Etcd);
    let masters = || cluster.with_role(Role::Master);
    // An API server beside a member uses that one only.
    let remote = parties(masters().filter(|host| !host.runs(Component::Etcd)));
    let etcd = parties(members());
    let checks = among(etcd.clone());
    flows.extend([
        tcp(FlowId::EtcdClient, remote, etcd.clone(), ETCD_CLIENT_PORT),
        tcp(FlowId::EtcdCheck, checks.clone(), etcd.clone(), ETCD_CLIENT_PORT),
        tcp(FlowId::EtcdPeer, checks, etcd, ETCD_PEER_PORT),
        tcp(FlowId::Kubelet, parties(masters()), parties(nodes(cluster)), KUBELET_PORT),
    ]);
    flows.retain(is_between_hosts);
    flows.extend(ingress(cluster));
    flows.extend(metrics(cluster));
    let balancers = parties(cluster.running(Component::Keepalived));
    flows.push(Flow {
        id: FlowId::Vrrp,
        from: among(balancers.clone()),
        to: balancers,
        protocol: Protocol::Vrrp,
        ports: None,
        passage: Passage::Network,
    });
    flows
}

/// With balancers everybody comes through them, but for those that use the Service `kubernetes`. Without, the first master is the endpoint.
fn api(cluster: &Cluster) -> Vec<Flow> {
    let clients = clients(cluster);
    let mut inside = parties(nodes(cluster));
    let masters: Vec<&Host> = cluster.with_role(Role::Master).collect();
    let Some(balancer) = &cluster.load_balancer else {
        inside.push(Party::Pods);
        let (first, others) = masters.split_at(masters.len().min(1));
        return vec![
            tcp(FlowId::Api, joined(inside.clone(), clients), parties(first.iter().copied()), API_PORT),
            tcp(FlowId::Api, inside, parties(others.iter().copied()), API_PORT),
        ];
    };
    let balancers: Vec<&Host> = cluster.with_role(Role::LoadBalancer).collect();
    let from = joined(inside.clone(), clients);
    let to = joined(parties(balancers.iter().copied()), vec![Party::VirtualAddress(balancer.vip)]);
    inside.extend(parties(balancers.into_iter().filter(|host| !host.is_node())));
    inside.push(Party::Pods);
    vec![tcp(FlowId::ApiVip, from, to, balancer.port), tcp(FlowId::Api, inside, parties(masters.into_iter()), API_PORT)]
}

/// Whoever uses what the cluster serves comes to the balancers.
fn ingress(cluster: &Cluster) -> Vec<Flow> {
    let (Some(front), Some(balancer)) = (cluster.ingress_front(), &cluster.load_balancer) else { return Vec::new() };
    let to = joined(parties(cluster.with_role(Role::LoadBalancer)), vec![Party::VirtualAddress(balancer.vip)]);
    let flow = |id, port| tcp(id, vec![Party::Anyone], to.clone(), port);
    vec![flow(FlowId::IngressHttp, front.http.port), flow(FlowId::IngressHttps, front.https.port)]
}

/// The add-ons `monitoring` and `metrics-server` ask from wherever their pods are: with a node's address, and with the pod's own on the same host.
fn metrics(cluster: &Cluster) -> Vec<Flow> {
    let from = joined(parties(nodes(cluster)), vec![Party::Pods]);
    let kubelets = tcp(FlowId::MetricsKubelet, from.clone(), parties(nodes(cluster)), KUBELET_PORT);
    let Some(monitoring) = cluster.monitoring() else {
        return if cluster.has_metrics_server() { vec![kubelets] } else { Vec::new() };
    };
    let masters = || parties(cluster.with_role(Role::Master));
    let gateways = parties(cluster.hosts.iter().filter(|host| cluster.metrics_gateway(host).is_some()));
    vec![
        kubelets,
        tcp(FlowId::MetricsControllerManager, from.clone(), masters(), CONTROLLER_MANAGER_PORT),
        tcp(FlowId::MetricsScheduler, from.clone(), masters(), SCHEDULER_PORT),
        tcp(FlowId::MetricsHost, from.clone(), parties(nodes(cluster)), monitoring.host_port),
        tcp(FlowId::MetricsGateway, from, gateways, monitoring.gateway_port),
    ]
}

/// Who uses the API from outside the cluster.
fn clients(cluster: &Cluster) -> Vec<Party> {
    let firewall = &cluster.firewall;
    if firewall.api_sources.is_empty() {
        return vec![Party::Anyone];
    }
    let mut clients = networks(&firewall.operator_networks);
    for network in networks(&firewall.api_sources) {
        if !clients.contains(&network) {
            clients.push(network);
        }
    }
    clients
}

fn nodes(cluster: &Cluster) -> impl Iterator<Item = &Host> {
    cluster.hosts.iter().filter(|host| host.is_node())
}

fn joined(mut parties: Vec<Party>, more: Vec<Party>) -> Vec<Party> {
    parties.extend(more);
    parties
}

/// Sources of a flow within a group: a lone member talks to nobody.
fn among(parties: Vec<Party>) -> Vec<Party> {
    if parties.len() > 1 { parties } else { Vec::new() }
}

fn tcp(id: FlowId, from: Vec<Party>, to: Vec<Party>, number: u16) -> Flow {
    Flow { id, from, to, protocol: Protocol::Tcp, ports: Some(port(number)), passage: Passage::Network }
}

/// Whether anybody but the destination itself begins it: a host's words to itself never leave it.
fn is_between_hosts(flow: &Flow) -> bool {
    !flow.host_pairs().is_empty() || flow.from.iter().any(|party| !matches!(party, Party::Host(_)))
}
