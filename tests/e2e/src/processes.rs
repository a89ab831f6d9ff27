//! Processes of the lab's hosts, as this machine sees them.

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::Lab;

/// Which processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// barque's agents.
    Agent,
    /// What sshd runs for each connection.
    Session,
}

impl Kind {
    fn is(self, process: &Path) -> bool {
        match self {
            // The first word is the agent's own file; a shell that starts it names the file in a later one.
            Self::Agent => fs::read(process.join("cmdline")).is_ok_and(|line| line.starts_with(b"/var/lib/barque/agent/")),
            Self::Session => fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "sshd-session"),
        }
    }
}

/// The processes of this kind on a host. What ends meanwhile is not among them.
pub fn processes(lab: &Lab, host: &str, kind: Kind) -> Result<Vec<u32>> {
    inside(lab.leader(host)?, kind)
}

/// kill -9 for all processes of this kind on the host whose process 1 is `leader`; answers how many there were.
pub fn kill_on(leader: u32, kind: Kind) -> Result<usize> {
    let found = inside(leader, kind)?;
    for process in &found {
        let process = i32::try_from(*process).ok().and_then(Pid::from_raw).context("a process has a number")?;
        // It may have ended by itself since.
        let _ = kill_process(process, Signal::KILL);
    }
    Ok(found.len())
}

fn inside(leader: u32, kind: Kind) -> Result<Vec<u32>> {
    let namespace = |process: &Path| fs::read_link(process.join("ns/pid")).ok();
    let own = namespace(Path::new(&format!("/proc/{leader}"))).context("the host does not run")?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(number) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        if kind.is(&path) && namespace(&path).as_ref() == Some(&own) {
            found.push(number);
        }
    }
    Ok(found)
}
