#![allow(clippy::unwrap_used)]

use barque_spec::Known;
use clap::Parser as _;

use super::*;
use crate::arguments::{Arguments, Verb};

/// The guide, whose blocks are what the program prints.
const GUIDE: &str = include_str!("../../../../../docs/network.md");

fn arguments(line: &str) -> NetworkArguments {
    match Arguments::try_parse_from(line.split(' ')).unwrap().verb {
        Verb::Network(arguments) => *arguments,
        other => panic!("{other:?}"),
    }
}

fn example(name: &str) -> Cluster {
    let text = std::fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let versions = barque_catalog::supported();
    barque_spec::parse(&text, name, &Known { kubernetes: &versions }).unwrap().cluster
}

/// What the command prints, with example files read from `examples/`.
fn printed(line: &str) -> String {
    let arguments = arguments(line);
    let base = match file(&arguments) {
        Some(path) => NetworkInput::of(&example(path.to_str().unwrap().trim_start_matches("examples/"))),
        None => defaults(),
    };
    network_text(&work_out(&with_flags(&arguments, base)))
}

#[test]
fn the_guide_shows_what_is_printed() {
    let mut blocks = 0;
    for block in GUIDE.split("```console\n$ ").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        let (line, shown) = block.split_once('\n').unwrap();
        assert_eq!(shown, printed(line), "docs/network.md differs from what `{line}` prints");
        blocks += 1;
    }
    assert!(blocks >= 1, "the guide has no block");
}

#[test]
fn flags_go_before_the_file() {
    let cluster = example("ha.yaml");
    let input = with_flags(&arguments("barque network -f ha.yaml --node-prefix 26 --nodes 500 --mtu 9000"), NetworkInput::of(&cluster));
    assert_eq!((input.pods[0].range.to_string(), input.pods[0].node_prefix), ("10.244.0.0/16".to_owned(), 26));
    assert_eq!((input.nodes, input.link_mtu, input.occupied.len()), (500, 9000, 8));
    assert_eq!(NetworkInput::of(&cluster).nodes, 5);
}

#[test]
fn a_family_without_a_prefix_gets_its_usual_one() {
    let input = with_flags(&arguments("barque network --pod-cidr 10.244.0.0/16,fd00:10:244::/56"), defaults());
    assert_eq!(input.pods.iter().map(|pods| pods.node_prefix).collect::<Vec<_>>(), [24, 64]);
}

#[test]
fn defaults_are_those_of_the_cluster_file() {
    let minimal = NetworkInput::of(&example("minimal.yaml"));
    let defaults = defaults();
    assert_eq!((&defaults.pods, &defaults.services, defaults.node_ports), (&minimal.pods, &minimal.services, minimal.node_ports));
    assert_eq!((defaults.backend, defaults.max_pods, defaults.link_mtu), (minimal.backend, minimal.max_pods, minimal.link_mtu));
}

#[test]
fn a_file_is_read_unless_ranges_are_given() {
    assert_eq!(file(&arguments("barque network")), Some("cluster.yaml".into()));
    assert_eq!(file(&arguments("barque network --nodes 3")), Some("cluster.yaml".into()));
    assert_eq!(file(&arguments("barque network --node-prefix 25")), None);
    assert_eq!(file(&arguments("barque network -f a.yaml --node-prefix 25")), Some("a.yaml".into()));
}

#[test]
fn the_picture_has_the_flows_of_the_matrix() {
    let cluster = example("ha.yaml");
    let links = links(&matrix(&cluster));
    assert!(links.iter().any(|link| link.to.contains(&End::Vip) && link.ports == "6443" && link.from.contains(&End::Outside)));
    assert!(links.iter().any(|link| link.protocol == "udp" && link.ports == "8472"));
    let drawn = picture(&Topology::of(&cluster), &work_out(&NetworkInput::of(&cluster)), &links);
    for words in ["VIP, port 6443", "192.0.2.31", "udp 8472", "2379", "10250", "among themselves: "] {
        assert!(drawn.contains(words), "{words}");
    }
}
