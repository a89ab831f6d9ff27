//! The cluster that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;

use super::measure::measure;
use super::receipt::{self, Receipt};
use super::{Interrupt, Lab, barque, lab, runs_of, text};
use crate::run;

/// A cluster file for a lab, with the state of its cluster beside it.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    hosts: Vec<Host>,
}

/// A host as `barque hosts` shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Host {
    /// Its name.
    pub(crate) name: String,
    /// What runs on it; each is a unit of this name.
    components: Vec<String>,
}

impl Host {
    /// Its units, as arguments of `systemctl`.
    pub(crate) fn units(&self) -> String {
        self.components.iter().map(|component| format!("{component}.service")).collect::<Vec<_>>().join(" ")
    }

    /// Whether it is a node of the cluster; masters are.
    pub(crate) fn is_node(&self) -> bool {
        self.components.iter().any(|component| component == "kubelet")
    }
}

/// A run of `barque up`.
#[derive(Debug)]
pub(crate) struct Up {
    /// From the start of the program to its end.
    pub(crate) wall: std::time::Duration,
    /// The most memory it had at one time, in bytes.
    pub(crate) peak: u64,
    /// What it wrote down.
    pub(crate) receipt: Receipt,
}

impl Cluster {
    /// Writes the cluster file into `folder`.
    pub(crate) fn new(lab: &Lab, folder: &Path) -> Result<Self> {
        fs::write(folder.join("cluster.yaml"), run::output(&mut barque(&["lab", "demo-file", "--name", lab::NAME]))?)?;
        fs::write(folder.join("known_hosts"), lab.known_hosts())?;
        let cluster = Self { folder: folder.to_path_buf(), hosts: Vec::new() };
        let answer = run::output(&mut barque(&["hosts", "--file", text(&cluster.file())?, "--output", "json"]))?;
        let hosts = serde_json::from_str(&answer).context("cannot read the answer of `barque hosts`")?;
        Ok(Self { hosts, ..cluster })
    }

    /// The same without add-ons, which are the end of the file.
    pub(crate) fn bare(lab: &Lab, folder: &Path) -> Result<Self> {
        let cluster = Self::new(lab, folder)?;
        let text = fs::read_to_string(cluster.file())?;
        let (bare, _) = text.split_once("  addons:\n").context("the demo's cluster file has no add-ons")?;
        fs::write(cluster.file(), bare)?;
        Ok(cluster)
    }

    /// Its hosts.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The file with the hosts' SSH keys.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Runs `barque up`, with its output in a file named after `label`.
    pub(crate) fn up(&self, label: &str, interrupt: &Interrupt) -> Result<Up> {
        self.up_with(label, &[], interrupt)
    }

    /// Runs `barque up` with more arguments.
    pub(crate) fn up_with(&self, label: &str, arguments: &[&str], interrupt: &Interrupt) -> Result<Up> {
        let before = self.runs()?;
        let measured =
            measure(self.command()?.args(arguments), &self.log(label), interrupt).with_context(|| format!("cannot measure `{label}`"))?;
        let run = self.runs()?.into_iter().find(|run| !before.contains(run)).context("`barque up` left no record of its run")?;
        Ok(Up { wall: measured.wall, peak: measured.peak, receipt: receipt::read(&run)? })
    }

    /// `barque up` for this cluster, not started yet.
    pub(crate) fn command(&self) -> Result<Command> {
        self.verb("up")
    }

    /// The file with the output of the run called `label`.
    pub(crate) fn log(&self, label: &str) -> PathBuf {
        self.folder.join(format!("{label}.log"))
    }

    fn runs(&self) -> Result<Vec<PathBuf>> {
        runs_of(&self.state())
    }

    /// Writes the administrator's kubeconfig and answers where it is.
    pub(crate) fn kubeconfig(&self) -> Result<PathBuf> {
        let path = self.folder.join("admin.conf");
        let (file, identity) = (self.file(), self.identity());
        run::output(&mut barque(&["kubeconfig", "--file", text(&file)?, "--identity", text(&identity)?, "--to", text(&path)?]))?;
        Ok(path)
    }

    /// A verb for this cluster that connects to its hosts, not started yet.
    pub(crate) fn verb(&self, name: &str) -> Result<Command> {
        let (file, known, identity) = (self.file(), self.known_hosts(), self.identity());
        let known = text(&known)?;
        Ok(barque(&[name, "--no-progress", "--file", text(&file)?, "--known-hosts", known, "--identity", text(&identity)?]))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("cluster.yaml")
    }

    fn identity(&self) -> PathBuf {
        self.folder.join("identity.txt")
    }

    /// Where barque keeps what it knows of the cluster, which is named after its lab.
    fn state(&self) -> PathBuf {
        self.folder.join(".barque").join(lab::NAME)
    }
}
