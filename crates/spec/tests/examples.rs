//! The example files are right, and the generated documents are those that the code makes.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use barque_model::{Cluster, Component, Role, Sudo, Version};
use barque_spec::{Known, Loaded, parse, reference_markdown, resolve_key_paths, schema};

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(name: &str) -> Loaded {
    let text = std::fs::read_to_string(root().join("examples").join(name)).unwrap();
    let loaded = parse(&text, name, &KNOWN).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.warnings.items().is_empty(), "{}", loaded.warnings);
    loaded
}

fn names(cluster: &Cluster, role: Role) -> Vec<&str> {
    cluster.with_role(role).map(|host| host.name.as_str()).collect()
}

#[test]
fn minimal_is_all_defaults() {
    let cluster = load("minimal.yaml").cluster;
    assert_eq!(cluster.api_endpoint(), (IpAddr::from([192, 0, 2, 11]), 6443));
    insta::assert_json_snapshot!(cluster);
}

#[test]
fn ha_has_seven_hosts() {
    let cluster = load("ha.yaml").cluster;
    assert_eq!(cluster.hosts.len(), 7);
    assert_eq!(names(&cluster, Role::Etcd), ["m1", "m2", "m3"]);
    assert_eq!(names(&cluster, Role::Master), ["m1", "m2", "m3"]);
    assert_eq!(names(&cluster, Role::LoadBalancer), ["lb1", "lb2"]);
    assert_eq!(names(&cluster, Role::Node), ["n1", "n2"]);
    assert_eq!(cluster.api_endpoint(), (IpAddr::from([192, 0, 2, 10]), 6443));
}

#[test]
fn separate_etcd_sets_nearly_everything() {
    let mut cluster = load("separate-etcd.yaml").cluster;
    assert_eq!(cluster.hosts.len(), 10);
    assert_eq!(names(&cluster, Role::Etcd), ["etcd1", "etcd2", "etcd3"]);
    assert!(cluster.hosts.iter().all(|host| host.ssh.sudo == Sudo::Password && host.ssh.jump.is_some()));
    assert_eq!(cluster.kubelet.system_reserved["memory"], "1Gi");
    assert_eq!(cluster.kubelet.system_reserved["cpu"], "100m");
    assert_eq!(cluster.extra_args[&Component::KubeApiserver]["event-ttl"], "2h");
    resolve_key_paths(&mut cluster, Path::new("/clusters"), Some(Path::new("/home/me")));
    assert_eq!(cluster.hosts[0].ssh.key.as_deref(), Some(Path::new("/home/me/.ssh/id_ed25519")));
}

#[test]
fn every_example_is_tested() {
    let mut files: Vec<String> =
        std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["ha.yaml", "minimal.yaml", "separate-etcd.yaml"]);
}

#[test]
fn the_schema_is_checked_in() {
    let path = root().join("docs/cluster.schema.json");
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    assert!(std::fs::read_to_string(path).is_ok_and(|text| text == made), "docs/cluster.schema.json is old: run `cargo xtask codegen`");
}

#[test]
fn the_reference_is_checked_in() {
    let path = root().join("docs/cluster-file.md");
    assert!(
        std::fs::read_to_string(path).is_ok_and(|text| text == reference_markdown()),
        "docs/cluster-file.md is old: run `cargo xtask codegen`"
    );
}

#[test]
fn the_references_example_is_right() {
    let page = reference_markdown();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    parse(yaml, "docs", &KNOWN).unwrap_or_else(|errors| panic!("{errors}"));
}
