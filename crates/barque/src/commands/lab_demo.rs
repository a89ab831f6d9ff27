//! `barque lab demo-file`: a cluster file for the lab's hosts.

use std::fmt::Write as _;

use anyhow::Result;
use barque_lab::hosts::LabStatus;

/// The text of the file. Roles follow from names: `lb…`, `m…` and `n…`, as the default topology has them. Lines of pods go to port `elasticsearch`
/// of this machine.
pub(crate) fn cluster_file(status: &LabStatus, elasticsearch: Option<u16>) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "# A highly available cluster on the hosts of the lab `{}`. Change it and run `barque up` again.", status.name)?;
    writeln!(text, "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: {}\nspec:", status.name)?;
    writeln!(
        text,
        "  kubernetes:\n    version: {}",
        barque_catalog::supported().into_iter().max().map_or_else(String::new, |version| version.to_string())
    )?;
    writeln!(text, "  ssh:\n    user: root\n    key: {}\n  hosts:", status.key.display())?;
    for host in &status.hosts {
        let roles = match host.name.as_str() {
            name if name.starts_with("lb") => "loadBalancer",
            name if name.starts_with('m') => "etcd, master",
            _ => "node",
        };
        writeln!(text, "    - name: {}\n      address: {}\n      roles: [{roles}]", host.name, host.address)?;
    }
    if status.hosts.iter().any(|host| host.name.starts_with("lb")) {
        writeln!(text, "  loadBalancer:\n    vip: {}", status.vip)?;
    }
    writeln!(text, "  # The lab's hosts are containers: they share this machine's cgroups and disk, and may not lower OOM scores.")?;
    let eviction = "evictionHard: {imagefs.available: 1Gi, nodefs.available: 1Gi}";
    writeln!(text, "  kubelet:\n    failCgroupV1: false\n    {eviction}\n  runtime:\n    restrictOomScoreAdj: true")?;
    writeln!(
        text,
        "  # `barque addons list` shows what else there is.\n  addons:\n    - name: metrics-server\n    - name: ingress\n    - name: monitoring"
    )?;
    if let Some(port) = elasticsearch {
        // The path is a type, without which Elasticsearch 6 takes nothing.
        writeln!(text, "    - name: logging\n      settings:\n        endpoints: [\"http://{}:{port}/logs/doc\"]", status.gateway)?;
    }
    Ok(text)
}
