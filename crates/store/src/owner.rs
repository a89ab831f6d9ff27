//! Who holds the lock.

use std::fmt;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A process that uses a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockOwner {
    /// Process identifier.
    pub pid: u32,
    /// When the process started, in clock ticks after boot; tells it from a later process with the same identifier.
    pub start_ticks: u64,
    /// Name of the machine.
    pub machine: String,
    /// The machine's boot, from `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Login name of the user.
    pub user: String,
    /// What is being done, such as `up`.
    pub verb: String,
    /// Since when.
    pub since: Timestamp,
}

impl LockOwner {
    /// This process, doing `verb` for `user`.
    pub fn current(user: &str, verb: &str, now: Timestamp) -> io::Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot_id: fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            user: user.to_owned(),
            verb: verb.to_owned(),
            since: now,
        })
    }

    /// Whether the process runs, as `observer` on the same machine and boot can tell.
    pub(crate) fn lives(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
        let there = match rustix::process::test_kill_process(pid) {
            Ok(()) | Err(rustix::io::Errno::PERM) => true,
            Err(_) => false,
        };
        // An unreadable /proc/PID/stat (hidepid) counts as the same process: the safe side.
        there && start_ticks(self.pid).is_none_or(|ticks| self.start_ticks == 0 || ticks == self.start_ticks)
    }
}

/// Field 22 of /proc/PID/stat (proc_pid_stat(5)).
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself contain both blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

impl fmt::Display for LockOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` by {} (process {} on {}, since {})",
            self.verb,
            self.user,
            self.pid,
            self.machine,
            self.since.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    }
}
