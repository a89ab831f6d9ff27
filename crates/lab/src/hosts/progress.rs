//! What a lab reports while it works.

use std::fmt;

/// Receives notices while something takes time. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(&Notice) + Sync);

/// One thing that a lab began or finished.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A root file system is being built; this happens once per machine and package list.
    BuildingRootfs {
        /// The Debian suite.
        suite: String,
    },
    /// A line of output of the tool that builds it.
    RootfsLine(String),
    /// The root file system is built.
    RootfsBuilt {
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// Something that an earlier, interrupted run left behind is being removed.
    CleaningLeftovers,
    /// A host starts to boot.
    Booting {
        /// The host's name.
        host: String,
    },
    /// A host has booted: systemd reports that its start is complete, so sshd listens.
    Booted {
        /// The host's name.
        host: String,
        /// From the start of PID 1 until then, in seconds.
        seconds: f64,
    },
    /// A host has ended.
    Stopped {
        /// The host's name.
        host: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuildingRootfs { suite } => write!(formatter, "building a root file system of {suite} (once per machine)"),
            Self::RootfsLine(line) => formatter.write_str(line),
            Self::RootfsBuilt { seconds } => write!(formatter, "root file system built in {seconds:.1} s"),
            Self::CleaningLeftovers => formatter.write_str("removing what an interrupted run left behind"),
            Self::Booting { host } => write!(formatter, "{host}: booting"),
            Self::Booted { host, seconds } => write!(formatter, "{host}: booted in {seconds:.1} s"),
            Self::Stopped { host } => write!(formatter, "{host}: stopped"),
        }
    }
}
