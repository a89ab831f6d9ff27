//! What can go wrong with a lab.

use std::path::PathBuf;

use super::rootfs::RootfsError;
use super::tool::ToolError;
use super::topology::TopologyError;

/// A lab's failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Not root.
    #[error("a lab needs root")]
    NotRoot,
    /// There is no such lab.
    #[error("there is no lab `{0}`")]
    NoLab(String),
    /// The lab has no such host.
    #[error("lab `{lab}` has no host `{host}`")]
    NoHost {
        /// The lab.
        lab: String,
        /// The host as named.
        host: String,
    },
    /// The host is in a state in which this cannot be done.
    #[error("host `{host}` is {state}")]
    State {
        /// The host.
        host: String,
        /// Its state.
        state: super::status::HostState,
        /// The verb that would help.
        remedy: &'static str,
        /// The lab.
        lab: String,
    },
    /// The name belongs to a lab kept elsewhere.
    #[error("a lab `{name}` exists already, its state is in `{}`", directory.display())]
    NameTaken {
        /// The name.
        name: String,
        /// Where that lab's state is.
        directory: PathBuf,
    },
    /// Somebody else's network interface has the name that the lab's bridge would have.
    #[error("interface `{0}` exists and was not made by a lab")]
    InterfaceTaken(String),
    /// The lab exists with other hosts.
    #[error("lab `{0}` exists with another topology")]
    OtherTopology(String),
    /// No free subnet, or the wanted one is in use.
    #[error("subnet `{0}` is in use on this machine")]
    SubnetTaken(String),
    /// A host ended or hung before its start was complete.
    #[error("host `{host}` did not boot: {reason}\n{console}")]
    Boot {
        /// The host.
        host: String,
        /// In which way.
        reason: String,
        /// The last lines of its console.
        console: String,
    },
    /// A folder whose name the tools that mount cannot take.
    #[error("`{}` cannot hold a lab: an absolute path without `:`, `,`, `\\` and spaces is needed", .0.display())]
    Directory(PathBuf),
    /// No control groups on this machine.
    #[error("no cgroup file system is mounted")]
    NoCgroups,
    /// The lab's record cannot be understood.
    #[error("cannot read `{}`", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// What `ip` printed is not what it should be.
    #[error("cannot read the machine's routes")]
    Routes(#[source] serde_json::Error),
    /// The topology is wrong.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The root file system could not be made.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// A tool of the machine failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file operation failed.
    #[error("cannot {action}")]
    Io {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl LabError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot => Some("run it with `sudo`".to_owned()),
            Self::NoLab(name) => Some(format!("make it: `barque lab up --name {name}`")),
            Self::NoHost { lab, .. } => Some(format!("see its hosts: `barque lab status --name {lab}`")),
            Self::State { host, remedy, lab, .. } => Some(format!("run `barque lab {remedy} {host} --name {lab}`")),
            Self::NameTaken { name, .. } => Some(format!("choose another name, or end it from there: `barque lab down --name {name}`")),
            Self::InterfaceTaken(interface) => Some(format!("choose another name, or see `ip -d link show {interface}`")),
            Self::OtherTopology(name) => Some(format!("end it first: `barque lab down --name {name}`")),
            Self::SubnetTaken(_) => Some("see `ip route show table all`; give the topology another `subnet`".to_owned()),
            Self::NoCgroups => Some("see `mount -t cgroup,cgroup2`".to_owned()),
            Self::Rootfs(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            Self::Record { path, .. } => Some(format!("move it away: `mv {0} {0}.broken`, then `barque lab down`", path.display())),
            Self::Boot { .. } | Self::Routes(_) | Self::Directory(_) | Self::Topology(_) | Self::Io { .. } => None,
        }
    }
}

/// Says what an operation on files was for.
pub(crate) trait Doing<T> {
    /// Turns an IO error into one that says what was being done, as in "cannot …".
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::Io { action: action(), source })
    }
}
