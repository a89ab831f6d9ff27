//! Processes that the lab started, recognised again by their start time: a pid alone may have been given to another.

use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};

/// A process of a certain start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its pid on this machine.
    pub(crate) pid: u32,
    /// Its start, in clock ticks since the machine booted (field 22 of /proc/PID/stat).
    pub(crate) started: u64,
}

impl Process {
    /// The process that has `pid` now.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, started: stat.started })
    }

    /// Whether it still runs; one that only waits to be reaped does not.
    pub(crate) fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != 'Z' && stat.state != 'X')
    }

    /// Sends SIGKILL if it still is the same process.
    pub(crate) fn kill(self) {
        if self.is_alive() {
            kill(self.pid);
        }
    }

    /// Waits until it has ended; false if it has not after `limit`.
    pub(crate) fn wait(self, limit: Duration) -> bool {
        let begun = Instant::now();
        loop {
            self.reap();
            if !self.is_alive() {
                return true;
            }
            if begun.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes the exit status if the process is a child of this one; else there is nothing to do.
    fn reap(self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Sends SIGKILL; a process that is gone already is as good.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// An identifier of this boot of the machine: start times of another boot mean nothing.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in brackets may hold spaces and brackets itself, so fields are counted from the last one.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self { state: fields.first()?.chars().next()?, started: fields.get(19)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let stat = Stat::parse("42 (a) b (c)) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987 0 0\n").unwrap();
        assert_eq!((stat.state, stat.started), ('S', 987));
        assert!(Stat::parse("42 (a) S 1").is_none());
    }

    #[test]
    fn another_process_with_the_pid_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        let earlier = Process { started: process.started - 1, ..process };
        earlier.kill();
        assert!(!earlier.is_alive());
        assert!(process.is_alive());
        process.kill();
        assert!(process.wait(Duration::from_secs(5)));
        let _ = child.wait();
    }
}
