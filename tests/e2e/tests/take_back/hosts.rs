//! What the hosts are like, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Listing, Scenario, Scope, together};

const UNITS: &str = "etcd keepalived kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy flanneld";

/// Kernel parameters of a host's own network that barque sets.
const PARAMETERS: [&str; 2] = ["net/ipv4/ip_forward", "net/core/somaxconn"];

/// Hosts before barque came.
pub(crate) struct Found {
    /// Files of each host.
    pub(crate) files: BTreeMap<String, Listing>,
    /// What changes although nobody does anything.
    pub(crate) restless: BTreeSet<String>,
    /// Kernel parameters, interfaces and units of each host.
    pub(crate) kernel: BTreeMap<String, String>,
}

/// Everything on all hosts, looked at twice.
pub(crate) fn as_found(scenario: &Scenario) -> Result<Found> {
    scenario.step("hosts as found");
    let files = scenario.lab.listings(&crate::ALL, &Scope::whole())?;
    let kernel = kernel(scenario)?;
    let again = scenario.lab.listings(&crate::ALL, &Scope::whole())?;
    let mut restless = BTreeSet::new();
    for (host, before) in &files {
        for line in before.differences(&again[host]) {
            restless.insert(line.split_whitespace().nth(1).unwrap_or_default().to_owned());
        }
    }
    ensure!(restless.len() < 5, "too much changes by itself for a comparison: {restless:?}");
    let known: usize = files.values().map(|listing| listing.paths().count()).sum();
    ensure!(known > 7 * 1000, "only {known} paths were seen");
    Ok(Found { files, restless, kernel })
}

/// Fails unless the hosts' files are as found, but for `except`.
pub(crate) fn files_are_as_found(scenario: &Scenario, found: &Found, except: &[&str]) -> Result<()> {
    let scope = Scope::whole().without(except);
    let now = scenario.lab.listings(&crate::ALL, &scope)?;
    let mut different = Vec::new();
    for (host, before) in &found.files {
        for line in before.differences(&now[host]) {
            let path = line.split_whitespace().nth(1).unwrap_or_default();
            let excepted = except.iter().any(|except| path == *except || path.starts_with(&format!("{except}/")));
            if !excepted && !found.restless.contains(path) {
                different.push(format!("{host}: {line}"));
            }
        }
    }
    ensure!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// Kernel parameters, interfaces, network namespaces, mounts and loaded units.
pub(crate) fn kernel(scenario: &Scenario) -> Result<BTreeMap<String, String>> {
    let parameters = PARAMETERS.map(|name| format!("/proc/sys/{name}")).join(" ");
    let command = format!(
        "grep -H . {parameters}; ip -o link | cut -d: -f2 | cut -d@ -f1; ip netns list; ip route | sort; \
         cut -d' ' -f2 /proc/mounts | grep -e kubelet -e containerd/ -e netns; \
         systemctl list-unit-files --no-legend | awk '{{print $1, $2}}'; getent passwd | cut -d: -f1 | sort; true"
    );
    let texts = together(&crate::ALL, |host| {
        let text = scenario.lab.get(host, &command)?;
        Ok(format!("{text}\n{}", scenario.lab.packet_filter(host)?))
    })?;
    Ok(crate::ALL.iter().map(|host| (*host).to_owned()).zip(texts).collect())
}

/// Command lines of all running components, from the kernel: `HOST UNIT` to its words.
pub(crate) fn command_lines(scenario: &Scenario) -> Result<BTreeMap<String, String>> {
    let command = format!(
        "for unit in {UNITS}; do systemctl is-active -q $unit && echo $unit $(tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value $unit)/cmdline); done; true"
    );
    let texts = together(&crate::ALL, |host| scenario.lab.get(host, &command))?;
    let mut lines = BTreeMap::new();
    for (host, text) in crate::ALL.iter().zip(texts) {
        for line in text.lines() {
            let (unit, words) = line.split_once(' ').context("a unit and its command line")?;
            lines.insert(format!("{host} {unit}"), words.to_owned());
        }
    }
    ensure!(lines.len() == 2 + 3 * 8 + 2 * 4, "components that run: {:?}", lines.keys());
    Ok(lines)
}

/// When a unit was last down on each master, in microseconds of the clock that all hosts share: from the moment that it was asked to
/// stop to the moment that it was active again.
fn turns(scenario: &Scenario, unit: &str) -> Result<Vec<(u64, u64, &'static str)>> {
    let mut turns = Vec::new();
    for host in crate::MASTERS {
        let text =
            scenario.lab.get(host, &format!("systemctl show -p ActiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic {unit}"))?;
        let value = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}TimestampMonotonic=")));
            Ok(line.with_context(|| text.clone())?.parse()?)
        };
        turns.push((value("ActiveExit")?, value("ActiveEnter")?, host));
    }
    turns.sort_unstable();
    Ok(turns)
}

/// Fails when two masters' units were down at the same time, or when one of them was not restarted after `since`.
pub(crate) fn went_one_by_one(scenario: &Scenario, unit: &str, since: u64) -> Result<u64> {
    let turns = turns(scenario, unit)?;
    for (down, up, host) in &turns {
        ensure!(*down > since && up > down, "{unit} of {host} was not restarted after {since}: {turns:?}");
    }
    for pair in turns.windows(2) {
        ensure!(pair[0].1 <= pair[1].0, "{unit} was down on {} and {} at once: {turns:?}", pair[0].2, pair[1].2);
    }
    Ok(turns.last().map_or(0, |turn| turn.1))
}
