//! Whatever cluster is outlined, the file that is written for it is right, says the same, and is the same each time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use barque_model::{Role, Sudo, Version};
use barque_spec::{Known, Outline, OutlineHost, OutlineJump, OutlineSsh, parse, parse_hosts};
use proptest::option;
use proptest::prelude::*;

const VERSION: Version = Version::new(1, 37, 2);
const KNOWN: Known<'static> = Known { kubernetes: &[VERSION] };

fn jump() -> impl Strategy<Value = OutlineJump> {
    ("[a-z][a-z0-9.-]{0,10}[a-z0-9]", option::of("[a-z][a-z0-9_]{0,8}"), option::of(1_u16..), option::of("(~/|/)[a-zA-Z0-9 ._-]{1,12}x"))
        .prop_map(|(address, user, port, key)| OutlineJump { address, user, port, key })
}

/// Users, keys and sudo that fit together; ports below the node ports and the API's.
fn ssh() -> impl Strategy<Value = OutlineSsh> {
    let user = prop_oneof![Just(None), Just(Some("root".to_owned())), "[a-z][a-z0-9_]{0,8}[a-z]".prop_map(Some)];
    let key = option::of("(~/|/)[a-zA-Z0-9 ._:#'-]{1,12}x");
    (option::of("[a-z][a-z0-9-]{0,8}[a-z]"), user, option::of(1_u16..2000), key, option::of(jump()), any::<bool>()).prop_map(
        |(address, user, port, key, jump, password)| {
            let is_root = user.as_deref().is_none_or(|user| user == "root");
            let sudo = (!is_root && password).then_some(Sudo::Password);
            OutlineSsh { address, user, port, key, jump, sudo }
        },
    )
}

/// Clusters that a person may want: masters odd in number, two balancers or none for a single master, nodes.
fn outline() -> impl Strategy<Value = Outline> {
    let masters = prop_oneof![Just(1_usize), Just(3), Just(5)];
    let name = option::of("[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?");
    (masters, 1_usize..6, prop::bool::ANY, prop::bool::ANY, name, prop::collection::vec(ssh(), 14), option::of(9_u8..17)).prop_map(
        |(masters, nodes, shared, separate, name, mut ssh, pods)| {
            let mut next = 1_u8;
            let mut host = |roles: &[Role]| {
                let address = Ipv4Addr::new(192, 0, 2, next);
                next += 1;
                OutlineHost {
                    name: None,
                    address,
                    roles: roles.iter().copied().collect(),
                    ssh: ssh.pop().unwrap_or_default(),
                    origin: None,
                }
            };
            let mut hosts = Vec::new();
            let etcd: &[Role] = if separate { &[] } else { &[Role::Etcd] };
            for position in 0..masters {
                let balancer: &[Role] = if shared && masters > 1 && position < 2 { &[Role::LoadBalancer] } else { &[] };
                hosts.push(host(&[&[Role::Master], etcd, balancer].concat()));
            }
            if separate {
                hosts.push(host(&[Role::Etcd]));
            }
            if masters > 1 && !shared {
                hosts.extend((0..2).map(|_| host(&[Role::LoadBalancer])));
            }
            hosts.extend((0..nodes).map(|_| host(&[Role::Node])));
            Outline {
                name: name.and_then(|name| name.parse().ok()),
                hosts,
                vip: (masters > 1).then_some(Ipv4Addr::new(192, 0, 2, 250)),
                pods: pods.map(|prefix| ipnet::Ipv4Net::new(Ipv4Addr::new(10, 128, 0, 0), prefix).unwrap()),
                services: Some("172.31.0.0/16".parse().unwrap()),
                ..Outline::default()
            }
        },
    )
}

proptest! {
    // Each case makes and reads a whole file with its schema.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_file_is_accepted_without_a_finding(outline in outline()) {
        prop_assert_eq!(outline.faults(), []);
        let file = outline.cluster_file(VERSION);
        let loaded = parse(&file, "cluster.yaml", &KNOWN).map_err(|errors| TestCaseError::fail(format!("{errors}\n{file}")))?;
        prop_assert!(loaded.warnings.items().is_empty(), "{}\n{file}", loaded.warnings);
        prop_assert_eq!(&file, &outline.cluster_file(VERSION));
        let cluster = loaded.cluster;
        prop_assert_eq!(cluster.hosts.len(), outline.hosts.len());
        for host in &outline.hosts {
            let found = cluster.hosts.iter().find(|found| found.address == IpAddr::V4(host.address)).unwrap();
            prop_assert_eq!(&found.roles, &host.roles);
            prop_assert_eq!(&found.ssh.user, host.ssh.user.as_deref().unwrap_or("root"));
            prop_assert_eq!(found.ssh.port, host.ssh.port.unwrap_or(22));
            prop_assert_eq!(found.ssh.key.as_deref().and_then(|key| key.to_str()), host.ssh.key.as_deref());
            prop_assert_eq!(found.ssh.jump.as_ref().map(|jump| &jump.address), host.ssh.jump.as_ref().map(|jump| &jump.address));
            prop_assert_eq!(found.ssh.sudo == Sudo::Password, host.ssh.sudo == Some(Sudo::Password));
        }
        prop_assert_eq!(cluster.load_balancer.map(|balancer| balancer.vip), outline.vip.map(IpAddr::V4));
    }
}

fn given(lists: &[(Role, &str)]) -> Outline {
    let mut outline = Outline::default();
    for (role, list) in lists {
        outline.give(*role, parse_hosts(list).unwrap()).unwrap();
    }
    outline.stack_etcd();
    outline
}

#[test]
fn the_file_of_one_host() {
    insta::assert_snapshot!(given(&[(Role::Master, "192.0.2.11"), (Role::Node, "192.0.2.11")]).cluster_file(VERSION));
}

#[test]
fn every_default_that_is_shown_is_right() {
    let lists = [(Role::Master, "192.0.2.11-13"), (Role::LoadBalancer, "192.0.2.21-22"), (Role::Node, "192.0.2.31")];
    let outline = Outline { vip: Some(Ipv4Addr::new(192, 0, 2, 10)), ..given(&lists) };
    let file = outline.cluster_file(VERSION);
    let is_field = |line: &str| {
        let word = line.trim_start().strip_prefix("# ").and_then(|rest| rest.trim_start().split_once(':')).map(|(word, _)| word);
        word.is_some_and(|word| {
            word.starts_with(|first: char| first.is_ascii_lowercase()) && word.chars().all(|letter| letter.is_ascii_alphanumeric())
        })
    };
    let lines = file.lines().filter(|line| !is_role(line));
    let uncommented = lines.map(|line| if is_field(line) { line.replacen("# ", "", 1) } else { line.to_owned() });
    let text = with_values(&uncommented.filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>());
    let loaded = parse(&text, "cluster.yaml", &KNOWN).unwrap_or_else(|errors| panic!("{errors}"));
    let bare = parse(&file, "cluster.yaml", &KNOWN).unwrap();
    assert_eq!(loaded.cluster, bare.cluster);
    assert!(text.contains("\n  kubelet:\n    maxPods: 110"), "{text}");
}

/// Takes out fields whose default is described in words, and sections in which nothing is left.
fn with_values(lines: &[String]) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut kept: Vec<&str> = Vec::new();
    for line in lines.iter().rev().filter(|line| !line.is_empty()) {
        let is_empty = line.ends_with(':') || line.contains(": # ");
        let has_inside = kept.last().is_some_and(|below| indent(below) > indent(line));
        if !is_empty || has_inside {
            kept.push(line);
        }
    }
    kept.reverse();
    kept.join("\n")
}

/// Whether the line is of the list of roles above the hosts.
fn is_role(line: &str) -> bool {
    let words: BTreeSet<&str> = ["etcd", "loadBalancer", "master", "node"].into();
    line.trim_start()
        .strip_prefix("#   ")
        .and_then(|rest| rest.split_once(": "))
        .is_some_and(|(word, rest)| words.contains(word) && rest.ends_with('.'))
}
