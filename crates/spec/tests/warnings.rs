//! What is accepted with a warning.

#![allow(clippy::unwrap_used)]

use barque_model::Version;
use barque_spec::{Known, parse};

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

fn warnings(rest: &str) -> String {
    let text =
        format!("apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: demo\nspec:\n  kubernetes:\n    version: v1.37.2\n{rest}");
    parse(&text, "w.yaml", &KNOWN).unwrap_or_else(|errors| panic!("{errors}")).warnings.to_string()
}

fn host(name: &str, last: u8, roles: &str) -> String {
    format!("    - name: {name}\n      address: 192.0.2.{last}\n      roles: [{roles}]\n")
}

#[test]
fn masters_without_a_balancer_and_no_node() {
    let hosts: String = (1..=3).map(|index| host(&format!("m{index}"), index, "etcd, master")).collect();
    insta::assert_snapshot!(warnings(&format!("  hosts:\n{hosts}")));
}

#[test]
fn one_balancer_and_labels_on_it() {
    let hosts = host("lb1", 1, "loadBalancer") + "      labels: {a: b}\n" + &host("m1", 2, "etcd, master, node");
    insta::assert_snapshot!(warnings(&format!("  hosts:\n{hosts}  loadBalancer:\n    vip: 192.0.2.10\n")));
}

#[test]
fn small_blocks() {
    let hosts = host("m1", 2, "etcd, master, node");
    let rest = "  network:\n    nodePrefix: 26\n";
    insta::assert_snapshot!(warnings(&format!("  hosts:\n{hosts}{rest}")));
}

#[test]
fn an_allowed_shared_balancer_has_no_warning() {
    let hosts: String = (1..=3).map(|index| host(&format!("m{index}"), index, "etcd, master, loadBalancer, node")).collect();
    let rest = "  loadBalancer:\n    vip: 192.0.2.10\n    port: 8443\n    allowSharedHosts: [m1, m2, m3]\n";
    assert_eq!(warnings(&format!("  hosts:\n{hosts}{rest}")), "w.yaml: 0 warnings");
}
