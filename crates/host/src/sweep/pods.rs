//! Pods' containers, and what kubelet and containerd mounted for them.

use std::time::{Duration, Instant};

use super::mounts::unmount_below;
use super::{cgroups, network};
use crate::command::{Command, CommandError};
use crate::context::HostContext;
use crate::error::HostError;

const CALL: Duration = Duration::from_secs(20);
/// Killed processes are gone within it.
const DYING: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
/// Below these kubelet and containerd mount volumes, containers' root file systems and their shared memory.
const MOUNTS: [&str; 3] = ["/var/lib/kubelet", "/run/containerd", "/var/lib/containerd"];
/// containerd's namespace of kubelet's containers.
const NAMESPACE: &str = "k8s.io";

/// Ends every container of the namespace `k8s.io`.
pub(super) async fn sweep(context: &HostContext) -> Result<Vec<String>, HostError> {
    if !context.is_real_root() {
        return Ok(Vec::new());
    }
    end_tasks().await;
    // What containerd did not end, or does not run to end.
    kill_shims().await;
    let notes = cgroups::remove().await;
    for place in MOUNTS {
        unmount_below(place)?;
    }
    network::unmount_namespaces()?;
    Ok(notes)
}

/// Lets containerd end its tasks and forget them and their containers, as far as it answers.
async fn end_tasks() {
    let Ok(tasks) = ctr(&["tasks", "ls", "-q"]).await else { return };
    let tasks: Vec<&str> = tasks.lines().collect();
    for task in &tasks {
        // One that has just ended is what is wanted.
        if let Err(CommandError::Timeout { .. }) = ctr(&["tasks", "kill", "-a", "-s", "SIGKILL", task]).await {
            return;
        }
    }
    let deadline = Instant::now() + DYING;
    while Instant::now() < deadline && ctr(&["tasks", "ls"]).await.is_ok_and(|list| list.contains("RUNNING")) {
        tokio::time::sleep(POLL).await;
    }
    for task in &tasks {
        if let Err(CommandError::Timeout { .. }) = ctr(&["tasks", "rm", "-f", task]).await {
            return;
        }
    }
    for container in ctr(&["containers", "ls", "-q"]).await.unwrap_or_default().lines() {
        if let Err(CommandError::Timeout { .. }) = ctr(&["containers", "rm", container]).await {
            return;
        }
    }
}

async fn ctr(words: &[&str]) -> Result<String, CommandError> {
    let arguments = ["-n", NAMESPACE].into_iter().chain(words.iter().copied());
    Ok(Command::new("ctr", arguments).timeout(CALL).run().await?.stdout)
}

/// Ends the shims of pods, and their containers with them: each is a child of its shim.
async fn kill_shims() {
    let shims = shims();
    let victims: Vec<i32> = shims.iter().flat_map(|shim| children(*shim)).chain(shims.iter().copied()).collect();
    for victim in &victims {
        if let Some(victim) = rustix::process::Pid::from_raw(*victim) {
            let _gone_already = rustix::process::kill_process(victim, rustix::process::Signal::KILL);
        }
    }
    let deadline = Instant::now() + DYING;
    while Instant::now() < deadline && victims.iter().any(|victim| is_alive(*victim)) {
        tokio::time::sleep(POLL).await;
    }
}

/// Shims of this host: those of a machine in a container on this one have process namespaces of their own.
fn shims() -> Vec<i32> {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let own = namespace("self");
    let is_ours = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        is_shim(&line) && own.is_some() && namespace(&pid.to_string()) == own
    };
    processes().into_iter().filter(is_ours).collect()
}

/// Whether a command line, its words ended by zero bytes, is that of a shim in kubelet's namespace.
fn is_shim(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let program = words.first().and_then(|program| program.rsplit(|byte| *byte == b'/').next());
    program == Some(b"containerd-shim-runc-v2".as_slice())
        && words.windows(2).any(|pair| pair == [b"-namespace".as_slice(), NAMESPACE.as_bytes()])
}

fn processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| state_and_parent(&stat(*pid)).is_some_and(|(_, found)| found == parent);
    processes().into_iter().filter(is_child).collect()
}

/// Whether a process runs, and is not only waited for by its parent.
fn is_alive(pid: i32) -> bool {
    state_and_parent(&stat(pid)).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn stat(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

/// The third and fourth field of /proc/PID/stat, behind a name that may hold anything (proc_pid_stat(5)).
fn state_and_parent(stat: &str) -> Option<(char, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn knows_shims_of_pods() {
        let line = |text: &str| text.replace(' ', "\0").into_bytes();
        assert!(is_shim(&line(
            "/usr/local/bin/containerd-shim-runc-v2 -namespace k8s.io -id 0a1b -address /run/containerd/containerd.sock"
        )));
        assert!(!is_shim(&line("/usr/bin/containerd-shim-runc-v2 -namespace moby -id k8s.io")));
        assert!(!is_shim(&line("vi containerd-shim-runc-v2 -namespace k8s.io")));
        assert!(!is_shim(b""));
    }

    #[test]
    fn finds_children() {
        assert_eq!(state_and_parent("12 (a) b (c) S 34 12 12"), Some(('S', 34)));
        assert_eq!(state_and_parent(""), None);
        let own = i32::try_from(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(children(own).contains(&pid) && is_alive(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_alive(pid));
    }
}
