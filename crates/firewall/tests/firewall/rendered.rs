//! The matrix against what is rendered: every port that a component listens on beyond loopback is in it.

use std::collections::BTreeSet;

use barque_firewall::matrix;
use barque_model::{Cluster, Component, Host};
use barque_render::{RenderFacts, component_files};

use crate::clusters::{example, narrow};

/// Ports in the listening settings of `host`'s files.
fn listening(cluster: &Cluster, host: &Host) -> BTreeSet<u16> {
    let release = barque_catalog::release(&cluster.kubernetes).unwrap();
    // etcd's URLs, kube-apiserver's flag, haproxy's frontend, flannel's backend.
    let own = format!("https://{}:", host.address);
    let settings = [("--listen-", own.as_str()), ("--secure-port", "="), ("    bind ", "*:"), ("\"Port\"", ": ")];
    let mut ports = BTreeSet::new();
    for component in Component::ALL {
        for file in component_files(cluster, &release, host, component, &RenderFacts::default()) {
            let text = String::from_utf8(file.content.expose().to_vec()).unwrap();
            for line in text.lines() {
                for (_, before) in settings.iter().filter(|(setting, _)| line.contains(setting)) {
                    for (at, _) in line.match_indices(before) {
                        let digits: String = line[at + before.len()..].chars().take_while(char::is_ascii_digit).collect();
                        ports.extend(digits.parse::<u16>());
                    }
                }
            }
        }
    }
    ports
}

#[test]
fn no_port_is_listened_on_that_the_matrix_does_not_have() {
    for cluster in [example("ha.yaml"), example("minimal.yaml"), example("separate-etcd.yaml"), narrow()] {
        let matrix = matrix(&cluster);
        let mut all = BTreeSet::new();
        for host in &cluster.hosts {
            let known: BTreeSet<u16> = matrix.to_host(&host.name).filter_map(|flow| flow.ports).map(|ports| ports.first).collect();
            let found = listening(&cluster, host);
            // A lone member's ports are for its own host, and so is a lone node's end of the tunnel.
            let lone = cluster.hosts.len() == 1;
            let missing: Vec<u16> = found.difference(&known).copied().filter(|port| !(lone && [2379, 2380, 8472].contains(port))).collect();
            assert!(missing.is_empty(), "{} listens on {missing:?}", host.name);
            all.extend(found);
        }
        assert!(all.contains(&2379) && all.contains(&2380) && all.contains(&6443), "{all:?}");
    }
}
