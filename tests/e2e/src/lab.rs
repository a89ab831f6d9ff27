//! A lab of real hosts, driven by `barque lab` as a person would.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command::{finish, run};
use crate::scenario::barque;
use crate::together::together;
use crate::{Finished, Listing, Scope};

/// One host of a lab.
#[derive(Debug, Clone, Deserialize)]
pub struct LabHost {
    /// Name.
    pub name: String,
    /// Address.
    pub address: Ipv4Addr,
    /// Its SSH host key, type and Base64.
    pub host_key: String,
    /// Root of its file system as this machine sees it.
    pub root: PathBuf,
}

/// A host while it runs.
#[derive(Debug, Deserialize)]
struct Alive {
    name: String,
    pid: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Now {
    hosts: Vec<Alive>,
}

#[derive(Debug, Deserialize)]
struct Status {
    name: String,
    vip: Ipv4Addr,
    key: PathBuf,
    hosts: Vec<LabHost>,
}

/// A lab.
#[derive(Debug)]
pub struct Lab {
    status: Status,
    known_hosts: PathBuf,
}

impl Lab {
    /// Boots a lab; `topology` is TOML, the built-in one when empty.
    pub fn up(name: &str, topology: &str, folder: &Path) -> Result<Self> {
        let name = format!("{name}{}", std::process::id() % 10_000);
        let mut command = Command::new(barque());
        command.args(["lab", "up", "--name", &name, "--output", "json"]);
        if !topology.is_empty() {
            let file = folder.join("topology.toml");
            fs_err::write(&file, topology)?;
            command.arg("--topology").arg(file);
        }
        let finished = finish(&mut command)?.ok()?;
        let status: Status = serde_json::from_str(&finished.stdout).with_context(|| finished.stdout.clone())?;
        let known_hosts = folder.join("known_hosts");
        let lines: Vec<String> = status.hosts.iter().map(|host| format!("{} {}\n", host.address, host.host_key)).collect();
        fs_err::write(&known_hosts, lines.concat())?;
        Ok(Self { status, known_hosts })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.status.name
    }

    /// An address of its subnet that no host has.
    pub fn vip(&self) -> Ipv4Addr {
        self.status.vip
    }

    /// The operator's private key.
    pub fn key(&self) -> &Path {
        &self.status.key
    }

    /// A known_hosts file with the hosts' keys.
    pub fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// Its hosts.
    pub fn hosts(&self) -> &[LabHost] {
        &self.status.hosts
    }

    /// One host.
    pub fn host(&self, name: &str) -> Result<&LabHost> {
        self.status.hosts.iter().find(|host| host.name == name).with_context(|| format!("the lab has no host `{name}`"))
    }

    /// `barque lab VERB ARGUMENTS`.
    pub fn verb(&self, verb: &str, arguments: &[&str]) -> Result<Finished> {
        let mut all = vec!["lab", verb, "--name", &self.status.name];
        all.extend(arguments);
        run(barque(), all)
    }

    /// Runs a shell command as root on a host, from outside of barque's own connections.
    pub fn shell(&self, host: &str, command: &str) -> Result<Finished> {
        self.verb("exec", &[host, "--", "sh", "-c", command])
    }

    /// Standard output of a shell command that must succeed.
    pub fn get(&self, host: &str, command: &str) -> Result<String> {
        Ok(self.shell(host, command)?.ok()?.stdout.trim().to_owned())
    }

    /// Freezes a host.
    pub fn pause(&self, host: &str) -> Result<()> {
        self.verb("pause", &[host])?.ok().map(drop)
    }

    /// Thaws a host.
    pub fn resume(&self, host: &str) -> Result<()> {
        self.verb("resume", &[host])?.ok().map(drop)
    }

    /// Cuts a host's power.
    pub fn kill(&self, host: &str) -> Result<()> {
        self.verb("kill", &[host])?.ok().map(drop)
    }

    /// Boots a host that was killed.
    pub fn boot(&self, host: &str) -> Result<()> {
        self.verb("boot", &[host])?.ok().map(drop)
    }

    /// A host's process 1 as this machine sees it. Another one after each boot.
    pub fn leader(&self, host: &str) -> Result<u32> {
        let status = self.verb("status", &["--output", "json"])?.ok()?.stdout;
        let now: Now = serde_json::from_str(&status).with_context(|| status.clone())?;
        let found = now.hosts.into_iter().find(|found| found.name == host).and_then(|found| found.pid);
        found.with_context(|| format!("{host} does not run"))
    }

    /// What lies on a host's disks, all mounts included, read from outside of it.
    pub fn listing(&self, host: &str, scope: &Scope) -> Result<Listing> {
        let root = PathBuf::from(format!("/proc/{}/root", self.leader(host)?));
        Listing::take(&root, scope).with_context(|| format!("cannot list the files of {host}"))
    }

    /// The listings of several hosts, taken at the same time.
    pub fn listings(&self, hosts: &[&str], scope: &Scope) -> Result<BTreeMap<String, Listing>> {
        let listings = together(hosts, |host| self.listing(host, scope))?;
        Ok(hosts.iter().map(|host| (*host).to_owned()).zip(listings).collect())
    }

    /// Loads rules into a host's network namespace, by this machine's own `nft`.
    pub fn load_packet_filter(&self, host: &str, rules: &str, folder: &Path) -> Result<()> {
        let (leader, file) = (self.leader(host)?.to_string(), folder.join(format!("{host}.nft")));
        fs_err::write(&file, rules)?;
        run("nsenter", ["-t", &leader, "-n", "nft", "-f", &file.display().to_string()])?.ok().map(drop)
    }

    /// Packet-filter rules in a host's network namespace, by this machine's own `nft`.
    pub fn packet_filter(&self, host: &str) -> Result<String> {
        let leader = self.leader(host)?.to_string();
        Ok(run("nsenter", ["-t", &leader, "-n", "nft", "list", "ruleset"])?.ok()?.stdout.trim().to_owned())
    }

    /// One table of a host's packet filter. The whole of it may have what an older `nft` of this machine cannot print.
    pub fn packet_table(&self, host: &str, family: &str, name: &str) -> Result<String> {
        let leader = self.leader(host)?.to_string();
        Ok(run("nsenter", ["-t", &leader, "-n", "nft", "list", "table", family, name])?.ok()?.stdout.trim().to_owned())
    }

    /// Removes the lab.
    pub fn down(&self) -> Result<()> {
        self.verb("down", &[])?.ok().map(drop)
    }
}
