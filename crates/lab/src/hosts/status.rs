//! The state of a lab as its callers see it.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::address;
use super::state::{HostRecord, Peer, State};

/// Whether a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// It runs.
    Running,
    /// Every process of it is frozen.
    Paused,
    /// It does not run; its disks are kept.
    Stopped,
}

impl fmt::Display for HostState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// A lab and its hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabStatus {
    /// Its name.
    pub name: String,
    /// Where its state and its disks are.
    pub directory: PathBuf,
    /// Its network.
    pub subnet: Ipv4Net,
    /// This machine's address in it.
    pub gateway: Ipv4Addr,
    /// An address that no host has, for a virtual IP.
    pub vip: Ipv4Addr,
    /// The bridge's interface on this machine.
    pub bridge: String,
    /// The operator's private key, which root of every host accepts (or its user, where root may not log in).
    pub key: PathBuf,
    /// The hosts in the order of their addresses.
    pub hosts: Vec<HostStatus>,
    /// The links that are cut, as pairs of names; `operator` and `all` may be the second.
    pub cuts: Vec<(String, String)>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Whether it runs.
    pub state: HostState,
    /// Its PID 1 as this machine sees it, while it runs.
    pub pid: Option<u32>,
    /// How long its last boot took, in seconds.
    pub boot_seconds: Option<f64>,
    /// Its public ssh host key, as known_hosts has it after the address.
    pub host_key: String,
    /// Its end on the bridge.
    pub interface: String,
    /// Its user who is not root, if it has one.
    pub user: Option<String>,
    /// The root of its file system, as seen from this machine.
    pub root: PathBuf,
    /// What it wrote to its console.
    pub console: PathBuf,
}

impl LabStatus {
    /// The lab's known_hosts file.
    pub fn known_hosts(&self) -> String {
        let lines: Vec<String> = self.hosts.iter().map(|host| format!("{} {}", host.address, host.host_key)).collect();
        lines.join("\n") + "\n"
    }

    /// The host of a name.
    pub fn host(&self, name: &str) -> Option<&HostStatus> {
        self.hosts.iter().find(|host| host.name == name)
    }

    pub(crate) fn of(state: &State, directory: &Path) -> Self {
        let this_boot = state.is_of_this_boot();
        let hosts = state.hosts.iter().map(|record| host_status(state, record, directory, this_boot)).collect();
        let cuts = state.cuts.iter().map(|cut| {
            let peer = match &cut.peer {
                Peer::Host(name) => name.clone(),
                Peer::Operator => "operator".to_owned(),
                Peer::All => "all".to_owned(),
            };
            (cut.host.clone(), peer)
        });
        Self {
            name: state.name.to_string(),
            directory: directory.to_owned(),
            subnet: state.subnet,
            gateway: address::gateway(state.subnet),
            vip: address::vip(state.subnet),
            bridge: state.name.bridge(),
            key: directory.join("operator"),
            hosts,
            cuts: cuts.collect(),
        }
    }
}

/// Whether the host of this record runs.
pub(crate) fn host_state(record: &HostRecord, this_boot: bool) -> HostState {
    let Some(run) = record.run.as_ref().filter(|_| this_boot) else { return HostState::Stopped };
    if !run.leader.is_some_and(super::process::Process::is_alive) {
        HostState::Stopped
    } else if run.groups.is_frozen() {
        HostState::Paused
    } else {
        HostState::Running
    }
}

fn host_status(state: &State, record: &HostRecord, directory: &Path, this_boot: bool) -> HostStatus {
    let state_now = host_state(record, this_boot);
    let run = record.run.as_ref();
    let home = directory.join("hosts").join(&record.name);
    HostStatus {
        name: record.name.clone(),
        address: record.address,
        state: state_now,
        pid: run.and_then(|run| run.leader).filter(|_| state_now != HostState::Stopped).map(|leader| leader.pid),
        boot_seconds: run.and_then(|run| run.boot_seconds),
        host_key: record.host_key.clone(),
        interface: state.name.interface(&record.name),
        user: record.user.clone(),
        root: home.join("root"),
        console: home.join("console.log"),
    }
}
