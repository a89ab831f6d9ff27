//! What a host's packet filter lets through, without the words of any one packet filter.

use std::net::IpAddr;

use barque_model::{Cluster, Component, FlannelBackend, Host, PortRange};
use ipnet::IpNet;

use crate::flow::{Flow, FlowId, Party, Protocol};
use crate::matrix::Matrix;

/// The bridge that flannel's CNI plugin makes for the pods of a node.
const BRIDGE: &str = "cni0";
/// The node's end of the VXLAN, `flannel.` and the VNI.
const TUNNEL: &str = "flannel.1";

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The flow that it is for, or what it is, such as `established`.
    pub(crate) comment: String,
    /// Where it stands.
    pub(crate) chain: Chain,
    /// Source addresses; empty for any. None contains another.
    pub(crate) from: Vec<IpNet>,
    /// What else must be true.
    pub(crate) test: Test,
    /// What happens then.
    pub(crate) verdict: Verdict,
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Packets to the host itself.
    Input,
    /// Packets that the host passes on: to and from its pods.
    Forward,
    /// Both: packets to a port of the host that its kernel may have sent on to a pod.
    Published,
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may pass.
    Accept,
    /// It is gone.
    Drop,
}

/// What a rule looks at besides the source address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    /// Answers and reports about what was let through before. VRRP has no answers: connection tracking would take one router's
    /// advertisements for answers to another's, and let them in without a rule.
    Established,
    /// The host talks to itself.
    Loopback,
    /// ICMP reports and echo requests.
    Icmp,
    /// ICMPv6 reports, echo requests and neighbour discovery.
    Icmp6,
    /// A DHCP server's answers, which come from an address that was not asked.
    Dhcp,
    /// The same for DHCPv6.
    Dhcp6,
    /// IP protocol 112.
    Vrrp,
    /// A port.
    Ports(Protocol, PortRange),
    /// A port of one of these addresses as the sender named it, whatever it has been rewritten to.
    Published(Protocol, PortRange, Vec<IpAddr>),
    /// Came in by one of these interfaces (empty: any) and goes to such an address.
    Route(&'static [&'static str], Target),
}

/// Destination of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// In the range.
    In(IpNet),
    /// Not in it.
    NotIn(IpNet),
    /// Anywhere.
    Any,
}

/// The rules of `host`, in the order in which they stand in their chains. What no rule of `Input` takes is dropped; what no rule of `Forward`
/// takes passes, because it has nothing to do with pods: the last two of them drop what has.
pub(crate) fn rules(matrix: &Matrix, cluster: &Cluster, host: &Host) -> Vec<Rule> {
    let mut rules = vec![base("established", Test::Established)];
    let mut flows: Vec<&Flow> = matrix.to_host(&host.name).collect();
    // SSH before everything that could be wrong.
    flows.sort_by_key(|flow| flow.id != FlowId::Ssh);
    let (first, others) = flows.split_at(flows.iter().take_while(|flow| flow.id == FlowId::Ssh).count());
    rules.extend(first.iter().filter_map(|flow| input(flow, cluster, host)));
    rules.push(base("loopback", Test::Loopback));
    rules.push(base("icmp6", Test::Icmp6));
    rules.push(base("dhcp", Test::Dhcp));
    rules.push(base("dhcp6", Test::Dhcp6));
    rules.extend(others.iter().filter_map(|flow| input(flow, cluster, host)));
    if host.is_node() {
        rules.extend(forward(matrix, cluster, host));
    }
    rules
}

fn base(comment: &str, test: Test) -> Rule {
    Rule { comment: comment.to_owned(), chain: Chain::Input, from: Vec::new(), test, verdict: Verdict::Accept }
}

/// The rule of a flow to `host`; `None` when nobody but the host itself begins it.
fn input(flow: &Flow, cluster: &Cluster, host: &Host) -> Option<Rule> {
    let from = match flow.id {
        // Whatever the cluster file says of operators: a wrong range must not lock them out.
        FlowId::Ssh => Vec::new(),
        _ if flow.is_open() => Vec::new(),
        _ => {
            let sources = sources(&flow.from, cluster, host);
            if sources.is_empty() {
                return None;
            }
            sources
        }
    };
    let published = |mut addresses: Vec<IpAddr>, ports| {
        let virtual_address = cluster.load_balancer.as_ref().filter(|_| host.runs(Component::Keepalived)).map(|balancer| balancer.vip);
        addresses.extend(virtual_address.filter(|_| matches!(flow.id, FlowId::Extra(_))));
        (Chain::Published, Test::Published(flow.protocol, ports, addresses))
    };
    let (chain, test) = match (&flow.id, flow.protocol, flow.ports) {
        (FlowId::NodePortsTcp | FlowId::NodePortsUdp, _, Some(ports)) => published(vec![host.address], ports),
        // A pod with a port of its host (`hostPort`) is reached like one behind a node port.
        (FlowId::Extra(_), _, Some(ports)) if host.is_node() => published(vec![host.address], ports),
        (_, Protocol::Icmp, _) => (Chain::Input, Test::Icmp),
        (_, Protocol::Vrrp, _) => (Chain::Input, Test::Vrrp),
        (_, protocol, Some(ports)) => (Chain::Input, Test::Ports(protocol, ports)),
        (_, _, None) => return None,
    };
    Some(Rule { comment: flow.id.to_string(), chain, from, test, verdict: Verdict::Accept })
}

/// What passes between pods, Services and the rest through the host.
fn forward(matrix: &Matrix, cluster: &Cluster, host: &Host) -> Vec<Rule> {
    let pods = IpNet::V4(cluster.network.pod_cidr);
    let rule =
        |comment: &str, from: Vec<IpNet>, test, verdict| Rule { comment: comment.to_owned(), chain: Chain::Forward, from, test, verdict };
    let mut rules = vec![rule("established", Vec::new(), Test::Established, Verdict::Accept)];
    // With host-gw other nodes' pods come in by the host's own interface, whose name nobody has told.
    let interfaces: &[&str] = if cluster.network.flannel_backend == FlannelBackend::Vxlan { &[BRIDGE, TUNNEL] } else { &[] };
    rules.push(rule(FlowId::Pods.as_str(), vec![pods], Test::Route(interfaces, Target::In(pods)), Verdict::Accept));
    rules.push(rule(FlowId::PodsOut.as_str(), vec![pods], Test::Route(&[BRIDGE], Target::NotIn(pods)), Verdict::Accept));
    for flow in matrix.with_id(&FlowId::NodesToPods) {
        let from = sources(&flow.from, cluster, host);
        rules.push(rule(flow.id.as_str(), from, Test::Route(&[], Target::In(pods)), Verdict::Accept));
    }
    rules.push(rule("pods-closed", Vec::new(), Test::Route(&[], Target::In(pods)), Verdict::Drop));
    rules.push(rule("pods-closed", vec![pods], Test::Route(&[], Target::Any), Verdict::Drop));
    rules
}

/// Source addresses of `parties` but for `host` itself, whose own packets come by the loopback interface. A range inside another is left out:
/// nftables refuses sets whose elements overlap.
fn sources(parties: &[Party], cluster: &Cluster, host: &Host) -> Vec<IpNet> {
    let network = |party: &Party| match party {
        Party::Host(name) if *name == host.name => None,
        Party::Host(name) => cluster.host(name).map(|host| IpNet::from(host.address)),
        Party::VirtualAddress(address) => Some(IpNet::from(*address)),
        Party::Network(network) => Some(*network),
        Party::Pods => Some(IpNet::V4(cluster.network.pod_cidr)),
        Party::Outside(name) => name.parse().ok().map(|address: IpAddr| IpNet::from(address)),
        Party::Operator | Party::Anyone => None,
    };
    let mut found: Vec<IpNet> = parties.iter().filter_map(network).collect();
    found.sort();
    found.dedup();
    let outer = |one: &&IpNet| !found.iter().any(|two| two != *one && two.contains(*one));
    found.iter().filter(outer).copied().collect()
}
