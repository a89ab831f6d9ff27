//! The benchmark's own lab, driven by `barque lab` as a person would.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::{Interrupt, barque, step};
use crate::run;

/// The lab's name. Always the same one, so that a benchmark removes what a killed one left behind.
pub(crate) const NAME: &str = "bench";

/// A lab. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    status: Status,
    _removal: Removal,
}

#[derive(Debug, Deserialize)]
struct Status {
    key: PathBuf,
    /// The interface by which this machine reaches the hosts.
    bridge: String,
    hosts: Vec<LabHost>,
}

/// One host.
#[derive(Debug, Deserialize)]
pub(crate) struct LabHost {
    /// Its name.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Its SSH host key, type and Base64.
    host_key: String,
}

/// Removes the lab at the end, also when it never came up.
#[derive(Debug)]
struct Removal;

impl Drop for Removal {
    fn drop(&mut self) {
        step("remove the lab");
        if let Err(error) = remove() {
            eprintln!("bench: {error:#}; `barque lab down --name {NAME}` tries again");
        }
    }
}

fn remove() -> Result<()> {
    run::output(&mut barque(&["lab", "down", "--name", NAME])).map(drop)
}

impl Lab {
    /// Removes an old one and boots a new one, so that its hosts are fresh: two load balancers, three masters, two nodes.
    pub(crate) fn up(interrupt: &Interrupt) -> Result<Self> {
        Self::up_with(&[], interrupt)
    }

    /// The same with more arguments, such as a topology of its own.
    pub(crate) fn up_with(arguments: &[&str], interrupt: &Interrupt) -> Result<Self> {
        remove()?;
        interrupt.check()?;
        let removal = Removal;
        let text = run::output(barque(&["lab", "up", "--name", NAME, "--output", "json"]).args(arguments))?;
        let status = serde_json::from_str(&text).context("cannot read the answer of `barque lab up`")?;
        interrupt.check()?;
        Ok(Self { status, _removal: removal })
    }

    /// Its hosts.
    pub(crate) fn hosts(&self) -> &[LabHost] {
        &self.status.hosts
    }

    /// Bytes that left this machine for the hosts since the lab came up. What hosts send to each other is not among them: that passes through the
    /// bridge, and a bridge's own counter has what its machine sends.
    pub(crate) fn bytes_sent(&self) -> Result<u64> {
        let path = Path::new("/sys/class/net").join(&self.status.bridge).join("statistics/tx_bytes");
        fs_err::read_to_string(&path)?.trim().parse().with_context(|| format!("no number in `{}`", path.display()))
    }

    /// The private key that root of every host accepts.
    pub(crate) fn key(&self) -> &Path {
        &self.status.key
    }

    /// The hosts' keys in the form of a known_hosts file.
    pub(crate) fn known_hosts(&self) -> String {
        let lines: Vec<String> = self.status.hosts.iter().map(|host| format!("{} {}\n", host.address, host.host_key)).collect();
        lines.concat()
    }

    /// Runs a shell command as root on a host, from outside of any SSH connection; answers its standard output.
    pub(crate) fn shell(host: &str, script: &str) -> Result<String> {
        let mut command = barque(&["lab", "exec", "--name", NAME, host, "--", "sh", "-c", script]);
        let output = command.stdin(Stdio::null()).output().context("cannot start `barque lab exec`")?;
        if !output.status.success() {
            bail!("`{script}` on {host} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
