//! The rules with the real nft, in network namespaces of their own. Needs root, `nft` and `unshare`, so it is built with the feature `e2e` only.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use barque_firewall::{FIREWALL_FOLDER, FIREWALL_SCRIPT, RuleSet, matrix, rule_set};
use barque_model::{Cluster, FirewallBackend, Version};
use barque_spec::{Known, parse};

/// Somebody else's rules.
const FOREIGN: &str =
    "table inet other {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport 23 drop\n\t}\n}\n";

fn cluster(example: &str, more: &str) -> Cluster {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let text = format!("{}\n{more}", std::fs::read_to_string(path).unwrap());
    match parse(&text, example, &Known { kubernetes: &[Version::new(1, 37, 2)] }) {
        Ok(loaded) => loaded.cluster,
        Err(errors) => panic!("{errors}"),
    }
}

fn clusters() -> Vec<Cluster> {
    // Ranges within ranges: a set of nftables must not hold both.
    let narrow = "
  firewall:
    operatorNetworks: [198.51.100.0/28]
    apiSources: [198.51.100.0/24, 192.0.2.0/24]
    nodePortSources: [203.0.113.0/24, 203.0.113.64/26, 192.0.2.0/25]
    extraFlows:
      - {name: web, to: [loadBalancer, node], ports: 80}
      - {name: scrape, to: [etcd, master, node], from: [node, pods, 203.0.113.9/32], ports: 9100-9110}
";
    vec![cluster("ha.yaml", ""), cluster("ha.yaml", narrow), cluster("separate-etcd.yaml", ""), cluster("minimal.yaml", "")]
}

/// Writes a host's files to `folder` as if it were [`FIREWALL_FOLDER`].
fn write(set: &RuleSet, folder: &Path) {
    for file in &set.files {
        let content = String::from_utf8(file.content.expose().to_vec()).unwrap().replace(FIREWALL_FOLDER, folder.to_str().unwrap());
        std::fs::write(folder.join(Path::new(&file.path).file_name().unwrap()), content).unwrap();
    }
}

/// Runs a script in a network namespace of its own and answers what it prints.
fn isolated(script: &str, folder: &Path) -> String {
    let output = Command::new("unshare").args(["--net", "sh", "-euc", script]).current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rules_are_loaded_twice_and_removed_twice_and_foreign_ones_stay() {
    let script = Path::new(FIREWALL_SCRIPT).file_name().unwrap().to_str().unwrap();
    for cluster in clusters() {
        let matrix = matrix(&cluster);
        for host in &cluster.hosts {
            let folder = tempfile::tempdir().unwrap();
            let set = rule_set(&matrix, &cluster, host, FirewallBackend::Nftables).unwrap();
            write(&set, folder.path());
            std::fs::write(folder.path().join("foreign"), FOREIGN).unwrap();
            let steps = format!(
                "nft -f foreign; nft list ruleset >before
sh {script} load; nft list table inet barque >once; nft list table inet other | cmp - before
sh {script} load; nft list table inet barque | cmp - once
sh {script} unload; nft list ruleset | cmp - before
sh {script} unload; nft list ruleset | cmp - before
cat once"
            );
            let table = isolated(&steps, folder.path());
            let rules =
                table.lines().map(str::trim).filter(|line| line.contains(" accept") || line.contains(" drop") || line.contains("jump "));
            for rule in rules.filter(|rule| !rule.starts_with("type filter")) {
                assert!(rule.contains(" comment \""), "{rule}");
            }
            let comments: BTreeSet<&str> = table.split("comment \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            for flow in matrix.to_host(&host.name) {
                let lone = flow.host_pairs().is_empty() && flow.from.iter().all(|party| matches!(party, barque_firewall::Party::Host(_)));
                assert!(lone || comments.contains(flow.id.as_str()), "{} of {}: {table}", flow.id, host.name);
            }
        }
    }
}

#[test]
fn a_ruleset_with_a_fault_changes_nothing() {
    let cluster = cluster("ha.yaml", "");
    let folder = tempfile::tempdir().unwrap();
    let set = rule_set(&matrix(&cluster), &cluster, &cluster.hosts[0], FirewallBackend::Nftables).unwrap();
    write(&set, folder.path());
    let broken = std::fs::read_to_string(folder.path().join("firewall.nft")).unwrap().replace("tcp dport 22", "tcp dport nonsense");
    std::fs::write(folder.path().join("broken.nft"), broken).unwrap();
    let steps = "sh firewall.sh load; nft list ruleset >before; ! nft -f broken.nft 2>/dev/null; nft list ruleset | cmp - before";
    isolated(steps, folder.path());
}
