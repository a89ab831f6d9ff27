//! The bytes of a deployment alone: how long they take to reach their hosts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use super::together::together;
use super::{Cluster, Lab, text};
use crate::run;

/// Sends as many bytes to each host as `sent` says, to all hosts at once, by the system's `ssh`, where they are thrown away. Random
/// bytes: what `up` sends is compressed too.
pub(crate) fn measure(lab: &Lab, cluster: &Cluster, sent: &BTreeMap<String, u64>, folder: &Path) -> Result<Duration> {
    let path = folder.join("random");
    let most = sent.values().copied().max().unwrap_or(0);
    std::io::copy(&mut fs::File::open("/dev/urandom")?.take(most), &mut fs::File::create(&path)?)?;
    let known_hosts = cluster.known_hosts();
    let begun = Instant::now();
    let result = together(lab.hosts(), |host| {
        let bytes = sent.get(&host.name).copied().unwrap_or(0);
        send(lab.key(), &known_hosts, &host.address.to_string(), &path, bytes).with_context(|| format!("cannot send to {}", host.name))
    });
    let took = begun.elapsed();
    fs::remove_file(&path)?;
    result?;
    Ok(took)
}

fn send(key: &Path, known_hosts: &Path, address: &str, path: &Path, bytes: u64) -> Result<()> {
    let known_hosts = format!("UserKnownHostsFile={}", known_hosts.display());
    // Nothing of the user's own configuration: it would be measured too.
    let options = ["-o", &known_hosts, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"];
    let mut command = run::command("ssh", &["-F", "/dev/null", "-i", text(key)?]);
    command.args(options).args(["-o", "LogLevel=ERROR", &format!("root@{address}"), "cat >/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot start ssh")?;
    let mut pipe = child.stdin.take().context("ssh has no standard input")?;
    let copied = std::io::copy(&mut fs::File::open(path)?.take(bytes), &mut pipe);
    drop(pipe);
    let status = child.wait()?;
    copied?;
    if !status.success() {
        bail!("ssh ended with {status}");
    }
    Ok(())
}
