//! What other installers' inventories become, and what is said of those that cannot be mapped.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use barque_model::{Role, Version};
use barque_spec::{Imported, Inventory, Known, Scope, VariableFile, import, parse};

const VERSION: Version = Version::new(1, 37, 2);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn variable_file(scope: Scope, name: &str) -> VariableFile {
    let text = std::fs::read_to_string(folder().join("kubespray").join(name)).unwrap();
    VariableFile { scope, name: name.to_owned(), text }
}

fn imported(path: &str, name: &str, variables: &[VariableFile]) -> Imported {
    let text = std::fs::read_to_string(folder().join(path)).unwrap();
    import(&Inventory { name, text: &text }, variables).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The file, which must be right, as far as it follows from the inventory, and the notes.
fn shown(imported: &Imported) -> String {
    assert_eq!(imported.outline.faults(), []);
    let file = imported.outline.cluster_file(VERSION);
    parse(&file, "cluster.yaml", &Known { kubernetes: &[VERSION] }).unwrap_or_else(|errors| panic!("{file}\n{errors}"));
    let (told, _) = file.split_once("\n  # Container runtime").unwrap();
    format!("{told}\n--- notes ---\n{}", imported.notes.join("\n"))
}

#[test]
fn kubeasz() {
    let imported = imported("kubeasz/hosts", "hosts", &[]);
    let balancers: Vec<String> = imported.outline.with(Role::LoadBalancer).map(|host| host.address.to_string()).collect();
    assert_eq!(balancers, ["192.168.1.17", "192.168.1.16"], "the one with LB_ROLE=master comes first");
    insta::assert_snapshot!(shown(&imported));
}

#[test]
fn kubespray() {
    let variables = [
        variable_file(Scope::Group("all".into()), "group_vars/all/all.yml"),
        variable_file(Scope::Group("k8s_cluster".into()), "group_vars/k8s_cluster/k8s-cluster.yml"),
        variable_file(Scope::Host("node4.example.com".into()), "host_vars/node4.example.com.yml"),
    ];
    let shown = shown(&imported("kubespray/hosts.yaml", "hosts.yaml", &variables));
    assert!(!shown.contains("secret-of-node4"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn k0sctl() {
    insta::assert_snapshot!(shown(&imported("k0sctl/k0sctl.yaml", "k0sctl.yaml", &[])));
}

#[test]
fn what_cannot_be_mapped_is_named_with_its_line() {
    let mut reports = Vec::new();
    for name in ["groups.ini", "masters.yaml", "k0sctl.yaml", "empty.ini"] {
        let text = std::fs::read_to_string(folder().join("bad").join(name)).unwrap();
        let errors = import(&Inventory { name, text: &text }, &[]).unwrap_err();
        reports.push(errors.to_string());
    }
    insta::assert_snapshot!(reports.join("\n\n"));
}

#[test]
fn variables_beside_an_inventory_have_their_own_places() {
    let text = "[masters]\nm1 ansible_host=10.0.0.1\n";
    let file = |scope, name: &str, text: &str| VariableFile { scope, name: name.to_owned(), text: text.to_owned() };
    let files = [
        file(Scope::Group("masters".into()), "group_vars/masters.yml", "CLUSTER_CIDR: 10.1.0.0/8\n"),
        file(Scope::Group("others".into()), "group_vars/others.yml", "CLUSTER_CIDR: nonsense\n"),
        file(Scope::Host("m1".into()), "host_vars/m1.yml", "ansible_port: 70000\n"),
    ];
    let errors = import(&Inventory { name: "hosts", text }, &files).unwrap_err();
    let places: Vec<(&str, u32)> = errors.files().iter().map(|errors| (errors.file(), errors.items()[0].line)).collect();
    assert_eq!(places, [("group_vars/masters.yml", 1), ("host_vars/m1.yml", 1)], "{errors}");
}
