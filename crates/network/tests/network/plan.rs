//! Whole plans: what is found, in words, and the JSON form.

use std::fmt::Write as _;

use barque_model::{FlannelBackend, PortRange};
use barque_network::{Family, Fault, NetworkInput, NetworkPlan, Occupant, Occupied, PodRange, Severity, work_out};
use proptest::prelude::*;

use crate::support::{article, range, topology, usual};

fn words(plan: &NetworkPlan) -> String {
    let mut text = String::new();
    for finding in &plan.findings {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        let _ = writeln!(text, "{severity}: {}\n  {}", finding.message, finding.hint);
    }
    text
}

#[test]
fn the_articles_plan_is_right_but_for_its_small_blocks() {
    let plan = work_out(&article());
    insta::assert_snapshot!(words(&plan));
    insta::assert_json_snapshot!(plan);
}

#[test]
fn a_usual_cluster_has_no_findings() {
    let plan = work_out(&usual(&topology(2)));
    assert_eq!(words(&plan), "");
    assert_eq!((plan.growth.nodes, plan.growth.nodes_left.0), (5, 251));
    assert_eq!(plan.growth.wider_pods[0].range.to_string(), "10.244.0.0/15");
    assert_eq!(plan.growth.more_services[0].to_string(), "10.97.0.0/16");
}

#[test]
fn every_collision_names_both_sides_and_a_way_out() {
    let host = |name: &str| name.parse().unwrap();
    let interface = |network: &str, interface: &str, name: &str| {
        Occupied::new(range(network), Occupant::Interface { interface: interface.into(), hosts: vec![host(name)] })
    };
    let plan = work_out(&NetworkInput {
        pods: vec![PodRange { range: range("172.16.0.0/12"), node_prefix: 24 }],
        services: vec![range("172.20.0.0/16")],
        occupied: vec![
            Occupied::address("172.16.1.11".parse().unwrap(), Occupant::Host { host: host("m1") }),
            Occupied::address("172.16.1.10".parse().unwrap(), Occupant::Vip),
            interface("172.16.1.0/24", "eth0", "m1"),
            interface("172.17.0.0/16", "docker0", "m2"),
            Occupied::new(range("10.0.0.0/9"), Occupant::Route { hosts: vec![host("m1")] }),
            Occupied::new(range("0.0.0.0/0"), Occupant::Route { hosts: vec![host("m1")] }),
        ],
        ..article()
    });
    assert!(plan.has_errors());
    insta::assert_snapshot!(words(&plan));
}

#[test]
fn ranges_of_a_wrong_size() {
    let with = |pods: &str, node_prefix, services: &str, nodes| {
        words(&work_out(&NetworkInput {
            pods: vec![PodRange { range: range(pods), node_prefix }],
            services: vec![range(services)],
            nodes,
            ..article()
        }))
    };
    let all = [
        ("too few blocks", with("10.244.0.0/22", 24, "10.96.0.0/16", 7)),
        ("blocks longer than the range", with("10.244.0.0/24", 16, "10.96.0.0/16", 1)),
        ("too many blocks", with("10.0.0.0/8", 28, "172.20.0.0/16", 1)),
        ("no room for blocks", with("10.244.0.0/31", 31, "10.96.0.0/16", 1)),
        ("large services", with("10.244.0.0/16", 24, "10.0.0.0/8", 1)),
        ("small services", with("10.244.0.0/16", 24, "10.96.0.0/30", 1)),
        ("special ranges", with("169.254.0.0/16", 24, "224.1.0.0/16", 1)),
        ("Docker's bridge", with("172.16.0.0/12", 24, "10.96.0.0/16", 1)),
    ];
    let mut text = String::new();
    for (name, words) in all {
        let _ = writeln!(text, "# {name}\n{words}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn both_families() {
    let two = NetworkInput {
        pods: vec![
            PodRange { range: range("10.244.0.0/16"), node_prefix: 24 },
            PodRange { range: range("fd00:10:244::/60"), node_prefix: 64 },
        ],
        services: vec![range("10.96.0.0/16"), range("fd00:10:96::/108")],
        ..article()
    };
    let plan = work_out(&two);
    assert!(!plan.has_errors());
    assert_eq!((plan.growth.nodes_at_most.0, plan.growth.nodes_left.0, plan.growth.pods_at_most.0), (16, 9, 16 * 110));
    let same = NetworkInput { services: vec![range("10.96.0.0/16"), range("10.97.0.0/16")], ..two.clone() };
    let differ = NetworkInput { services: vec![range("fd00::/108")], ..article() };
    let none = NetworkInput { pods: Vec::new(), ..article() };
    let wide = NetworkInput {
        pods: vec![PodRange { range: range("fd00::/40"), node_prefix: 64 }],
        services: vec![range("fe80::/64")],
        ..article()
    };
    let mut text = words(&plan);
    for input in [same, differ, none, wide] {
        let _ = write!(text, "\n{}", words(&work_out(&input)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn ports_and_packets() {
    let ports = |first, last| words(&work_out(&NetworkInput { node_ports: PortRange { first, last }, max_pods: 10, ..article() }));
    let mtu = |backend, pod_mtu, link_mtu| words(&work_out(&NetworkInput { backend, pod_mtu, link_mtu, max_pods: 10, ..article() }));
    let text = [
        ports(6000, 9000),
        ports(30000, 40000),
        mtu(FlannelBackend::Vxlan, Some(1500), 1500),
        mtu(FlannelBackend::HostGw, Some(9000), 1500),
        mtu(FlannelBackend::HostGw, None, 9000),
    ];
    insta::assert_snapshot!(text.join("\n"));
}

fn interface(number: u32, prefix: u8) -> Occupied {
    let network = Family::V4.range(u128::from(number), prefix).unwrap();
    Occupied::new(network, Occupant::Interface { interface: "eth1".into(), hosts: vec!["m1".parse().unwrap()] })
}

/// The same input with every range put in that is proposed for it; `None` where nothing is free.
fn with_proposals(input: &NetworkInput, plan: &NetworkPlan) -> Option<NetworkInput> {
    let mut better = input.clone();
    for finding in &plan.findings {
        match &finding.fault {
            Fault::Collision { sides, proposal } if sides.chosen.occupant == Occupant::Pods => better.pods[0].range = (*proposal)?,
            Fault::TooFewBlocks { proposal, .. } => better.pods[0].range = (*proposal)?,
            Fault::Collision { proposal, .. } | Fault::ServicePrefix { proposal, .. } => better.services[0] = (*proposal)?,
            _ => {}
        }
    }
    Some(better)
}

proptest! {
    #[test]
    fn who_follows_the_proposals_has_a_plan_that_works(
        (pods, prefix, more) in (any::<u32>(), 8_u8..=22, 0_u8..=8),
        services in (any::<u32>(), 8_u8..=30),
        taken in prop::collection::vec((any::<u32>(), 8_u8..=32), 0..8),
        near in prop::collection::vec((0_u32..=0xff_ffff, 16_u8..=32), 0..8),
        nodes in 1_u32..200,
    ) {
        let range = |(number, prefix): (u32, u8)| Family::V4.range(u128::from(number), prefix).unwrap();
        let occupied = taken.into_iter().chain(near.into_iter().map(|(low, prefix)| (0x0a00_0000 + low, prefix)));
        let input = NetworkInput {
            pods: vec![PodRange { range: range((pods, prefix)), node_prefix: prefix + more }],
            services: vec![range(services)],
            occupied: occupied.map(|(number, prefix)| interface(number, prefix)).collect(),
            nodes,
            ..article()
        };
        if let Some(better) = with_proposals(&input, &work_out(&input)) {
            let again = work_out(&better);
            prop_assert!(!again.has_errors(), "{}", words(&again));
        }
    }
}
