//! Writes cluster files for labs.

use std::fmt::Write as _;

use anyhow::Result;

use crate::Lab;

/// A cluster file under construction.
#[derive(Debug, Clone)]
pub struct ClusterFile {
    name: String,
    vip: Option<String>,
    key: String,
    hosts: Vec<String>,
    ssh: String,
    spec: String,
}

impl ClusterFile {
    /// A cluster of a lab's hosts: `(host, roles)`. With a load balancer the lab's VIP is used.
    pub fn new(lab: &Lab, hosts: &[(&str, &str)]) -> Result<Self> {
        let mut lines = Vec::new();
        for (name, roles) in hosts {
            let host = lab.host(name)?;
            lines.push(format!("    - name: {name}\n      address: {}\n      roles: [{roles}]\n", host.address));
        }
        let balanced = hosts.iter().any(|(_, roles)| roles.contains("loadBalancer"));
        Ok(Self {
            name: lab.name().to_owned(),
            vip: balanced.then(|| lab.vip().to_string()),
            key: lab.key().display().to_string(),
            hosts: lines,
            ssh: String::new(),
            spec: String::new(),
        })
    }

    /// The layout of the article: three masters with etcd, two balancers, two nodes.
    pub fn seven(lab: &Lab) -> Result<Self> {
        Self::new(
            lab,
            &[
                ("lb1", "loadBalancer"),
                ("lb2", "loadBalancer"),
                ("m1", "etcd, master"),
                ("m2", "etcd, master"),
                ("m3", "etcd, master"),
                ("n1", "node"),
                ("n2", "node"),
            ],
        )
    }

    /// Adds lines under `spec.ssh`, such as `user: ops`.
    #[must_use]
    pub fn ssh(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            let _ = writeln!(self.ssh, "    {line}");
        }
        self
    }

    /// Adds lines under `spec`, such as an `extraArgs` section.
    #[must_use]
    pub fn spec(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            let _ = writeln!(self.spec, "  {line}");
        }
        self
    }

    /// Uses another key for SSH.
    #[must_use]
    pub fn key(mut self, path: &str) -> Self {
        path.clone_into(&mut self.key);
        self
    }

    /// The file's text. Settings that hosts inside containers need are part of it.
    pub fn text(&self) -> String {
        let balancer = self.vip.as_ref().map_or_else(String::new, |vip| format!("  loadBalancer:\n    vip: {vip}\n"));
        format!(
            "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: {}\nspec:\n  kubernetes:\n    version: 1.37.2\n  ssh:\n    key: {}\n{}  hosts:\n{}{balancer}  kubelet:\n    failCgroupV1: false\n    evictionHard: {{imagefs.available: 1Gi, nodefs.available: 1Gi}}\n  runtime:\n    restrictOomScoreAdj: true\n{}",
            self.name,
            self.key,
            self.ssh,
            self.hosts.concat(),
            self.spec
        )
    }
}
