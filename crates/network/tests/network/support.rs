//! The clusters that tests draw and work out.

use barque_model::{FlannelBackend, PortRange, Role};
use barque_network::{End, Link, Member, NetworkInput, Occupant, Occupied, PodRange, Topology};
use ipnet::IpNet;

pub(crate) fn range(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// The article's plan, its service range put right.
pub(crate) fn article() -> NetworkInput {
    NetworkInput {
        pods: vec![PodRange { range: range("192.168.0.0/16"), node_prefix: 26 }],
        services: vec![range("10.10.0.0/22")],
        node_ports: PortRange { first: 30000, last: 32767 },
        backend: FlannelBackend::Vxlan,
        pod_mtu: None,
        link_mtu: 1500,
        max_pods: 110,
        nodes: 7,
        occupied: Vec::new(),
    }
}

/// Two balancers, three masters with etcd, and `nodes` nodes.
pub(crate) fn topology(nodes: u8) -> Topology {
    let member = |name: String, last: u8, roles: &[Role]| Member {
        name: name.parse().unwrap(),
        address: [192, 0, 2, last].into(),
        roles: roles.iter().copied().collect(),
    };
    let balancers = (1..=2).map(|index| member(format!("lb{index}"), 20 + index, &[Role::LoadBalancer]));
    let masters = (1..=3).map(|index| member(format!("m{index}"), 10 + index, &[Role::Etcd, Role::Master]));
    let nodes = (1..=nodes).map(|index| member(format!("n{index}"), 30 + index, &[Role::Node]));
    Topology {
        name: "ha".into(),
        kubernetes: "1.37.2".into(),
        hosts: balancers.chain(masters).chain(nodes).collect(),
        vip: Some(([192, 0, 2, 10].into(), 6443)),
        backend: FlannelBackend::Vxlan,
        dns_domain: "cluster.local".into(),
    }
}

/// What a cluster file with these hosts and nothing said of the network means.
pub(crate) fn usual(topology: &Topology) -> NetworkInput {
    let host = |member: &Member| Occupied::address(member.address, Occupant::Host { host: member.name.clone() });
    NetworkInput {
        pods: vec![PodRange { range: range("10.244.0.0/16"), node_prefix: 24 }],
        services: vec![range("10.96.0.0/16")],
        nodes: 5,
        occupied: topology.hosts.iter().map(host).chain(topology.vip.map(|(vip, _)| Occupied::address(vip, Occupant::Vip))).collect(),
        ..article()
    }
}

/// The flows that any cluster has, some of them.
pub(crate) fn links(topology: &Topology) -> Vec<Link> {
    let with = |role: Role| {
        let with = topology.hosts.iter().filter(|host| host.roles.contains(&role));
        with.map(|host| End::Host(host.name.clone())).collect::<Vec<_>>()
    };
    let (balancers, masters, nodes) = (with(Role::LoadBalancer), with(Role::Master), with(Role::Node));
    let all = [balancers.clone(), masters.clone(), nodes.clone()].concat();
    let kubelets = [masters.clone(), nodes.clone()].concat();
    let link = |from: &[End], to: &[End], protocol: &str, ports: &str| Link {
        from: from.to_vec(),
        to: to.to_vec(),
        protocol: protocol.into(),
        ports: ports.into(),
    };
    vec![
        link(&[End::Outside], &all, "tcp", "22"),
        link(&[End::Outside], &[End::Vip], "tcp", "6443"),
        link(&nodes, &[End::Vip], "tcp", "6443"),
        link(&balancers, &masters, "tcp", "6443"),
        link(&[End::Pods], &masters, "tcp", "6443"),
        link(&masters, &masters, "tcp", "2379-2380"),
        link(&masters, &kubelets, "tcp", "10250"),
        link(&kubelets, &kubelets, "udp", "8472"),
        link(&[End::Outside], &kubelets, "tcp", "30000-32767"),
        link(&balancers, &balancers, "vrrp", ""),
    ]
}
