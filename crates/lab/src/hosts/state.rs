//! What a lab writes down: enough to find, stop and boot its hosts again.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use fs_err as fs;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::cgroup::Groups;
use super::error::{Doing as _, LabError};
use super::name::LabName;
use super::process::{self, Process};
use super::topology::Topology;

/// The file with the record, in the lab's folder.
const FILE: &str = "state.json";

/// The record of a lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// Its name.
    pub(crate) name: LabName,
    /// Its network.
    pub(crate) subnet: Ipv4Net,
    /// The hosts as they were asked for, without passwords.
    pub(crate) topology: Topology,
    /// Whether `up` came to its end; else what is there is only good to be removed.
    pub(crate) complete: bool,
    /// The machine's boot in which the processes below were started.
    pub(crate) boot_id: String,
    /// The hosts, in the order of the topology.
    pub(crate) hosts: Vec<HostRecord>,
    /// The links that are cut.
    pub(crate) cuts: Vec<Cut>,
}

/// The record of one host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    /// Its name.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// The lower layer of its disk.
    pub(crate) rootfs: PathBuf,
    /// Its public ssh host key (`ssh-ed25519 …`).
    pub(crate) host_key: String,
    /// The user who is not root, if it has one.
    pub(crate) user: Option<String>,
    /// What runs now or ran last.
    pub(crate) run: Option<Run>,
}

/// One life of a host, from boot to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its control groups.
    pub(crate) groups: Groups,
    /// The process of systemd-nspawn, once started.
    pub(crate) nspawn: Option<Process>,
    /// The host's PID 1 as this machine sees it, once known.
    pub(crate) leader: Option<Process>,
    /// How long its boot took, in seconds.
    pub(crate) boot_seconds: Option<f64>,
}

/// A link that carries nothing, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// The host.
    pub(crate) host: String,
    /// The other end.
    pub(crate) peer: Peer,
}

/// The other end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Another host.
    Host(String),
    /// This machine, from which the operator works.
    Operator,
    /// Everyone: as if the cable were pulled out.
    All,
}

impl From<&str> for Peer {
    fn from(text: &str) -> Self {
        match text {
            "all" => Self::All,
            "operator" => Self::Operator,
            host => Self::Host(host.to_owned()),
        }
    }
}

impl State {
    /// The record in a lab's folder, if there is one.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, LabError> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|source| LabError::Record { path, source })?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LabError::Io { action: "read the lab's record".to_owned(), source }),
        }
    }

    /// Whether a folder holds a record.
    pub(crate) fn exists(directory: &Path) -> bool {
        directory.join(FILE).exists()
    }

    /// Replaces the record; a crash leaves the old one or the new one.
    pub(crate) fn save(&self, directory: &Path) -> Result<(), LabError> {
        let path = directory.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).map_err(|source| LabError::Record { path: path.clone(), source })?;
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(&bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().doing(|| format!("write `{}`", path.display()))
    }

    /// The index of a host.
    pub(crate) fn index(&self, host: &str) -> Result<usize, LabError> {
        let found = self.hosts.iter().position(|record| record.name == host);
        found.ok_or_else(|| LabError::NoHost { lab: self.name.to_string(), host: host.to_owned() })
    }

    /// Whether the pids in the record can still mean anything.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot_id == process::boot_id()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hosts::topology::Host;

    #[test]
    fn records_from_before_hosts_had_a_release_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{
            "name": "demo", "subnet": "10.61.7.0/24", "complete": true, "boot_id": "a", "hosts": [], "cuts": [],
            "topology": {"subnet": null, "hosts": [{
                "name": "m1", "tmpfs": [], "user": null, "authorized_keys": [], "no_root_login": false, "hostname_resolvable": true,
                "os_release": null
            }]}
        }"#;
        fs::write(folder.path().join(FILE), text).unwrap();
        let state = State::load(folder.path()).unwrap().unwrap();
        assert_eq!(state.topology.hosts, [Host::plain("m1".parse().unwrap())]);
    }
}
