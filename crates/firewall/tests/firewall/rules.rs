//! Rules of hosts.

use barque_firewall::{FIREWALL_SCRIPT, RuleSet, matrix, rule_set};
use barque_model::{Cluster, FirewallBackend};

use crate::clusters::{example, host, narrow};

fn of(cluster: &Cluster, name: &str, backend: FirewallBackend) -> RuleSet {
    rule_set(&matrix(cluster), cluster, host(cluster, name), backend).unwrap()
}

fn text(set: &RuleSet) -> String {
    let file =
        |file: &barque_model::HostFile| format!("==> {} ({:o})\n{}", file.path, file.mode, String::from_utf8_lossy(file.content.expose()));
    set.files.iter().map(file).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_kind_of_host_with_nftables() {
    let cluster = example("ha.yaml");
    for name in ["lb1", "m1", "n1"] {
        insta::assert_snapshot!(format!("nftables-{name}"), text(&of(&cluster, name, FirewallBackend::Nftables)));
    }
}

#[test]
fn host_gw_and_etcd_of_its_own() {
    let cluster = example("separate-etcd.yaml");
    for name in ["etcd1", "n1"] {
        insta::assert_snapshot!(format!("nftables-separate-{name}"), text(&of(&cluster, name, FirewallBackend::Nftables)));
    }
}

#[test]
fn a_master_that_is_told_who_may() {
    let cluster = narrow();
    for backend in [FirewallBackend::Nftables, FirewallBackend::Iptables, FirewallBackend::Firewalld] {
        insta::assert_snapshot!(format!("narrow-{backend}-n1"), text(&of(&cluster, "n1", backend)));
    }
    insta::assert_snapshot!("narrow-nftables-lb1", text(&of(&cluster, "lb1", FirewallBackend::Nftables)));
}

#[test]
fn ssh_comes_from_anywhere_and_right_after_answers() {
    for cluster in [example("ha.yaml"), narrow()] {
        for host in &cluster.hosts {
            let set = rule_set(&matrix(&cluster), &cluster, host, FirewallBackend::Nftables).unwrap();
            let content = String::from_utf8_lossy(set.files[0].content.expose());
            let input: Vec<&str> = content.split("chain input {").nth(1).unwrap().lines().map(str::trim).skip(2).collect();
            assert_eq!(input[0], "meta l4proto != 112 ct state established,related accept comment \"established\"");
            assert_eq!(input[1], "tcp dport 22 accept comment \"ssh\"");
        }
    }
}

#[test]
fn nothing_is_nothing() {
    let cluster = example("minimal.yaml");
    assert_eq!(rule_set(&matrix(&cluster), &cluster, &cluster.hosts[0], FirewallBackend::None), None);
    assert_eq!(of(&cluster, "m1", FirewallBackend::Iptables).files.last().unwrap().path, FIREWALL_SCRIPT);
}
