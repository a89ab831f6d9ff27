//! Pods' containers, and what kubelet and containerd mounted for them.

use std::time::{Duration, Instant};

use super::mounts::unmount_below;
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;

const CALL: Duration = Duration::from_secs(20);
/// Killed processes are gone within it.
const DYING: Duration = Duration::from_secs(20);
const MOUNTS: [&str; 3] = ["/var/lib/kubelet", "/run/containerd", "/run/netns"];

/// Ends every container of the namespace `k8s.io`.
pub(super) async fn sweep(_context: &HostContext) -> Result<Vec<String>, HostError> {
    if let Ok(tasks) = ctr(&["tasks", "ls", "-q"]).await {
        for task in tasks.lines() {
            // One that has just ended is what is wanted.
            let _ended = ctr(&["tasks", "kill", "-a", "-s", "SIGKILL", task]).await;
        }
        let deadline = Instant::now() + DYING;
        while Instant::now() < deadline && ctr(&["tasks", "ls"]).await.is_ok_and(|list| list.contains("RUNNING")) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for task in tasks.lines() {
            let _gone = ctr(&["tasks", "rm", "-f", task]).await;
        }
        for container in ctr(&["containers", "ls", "-q"]).await.unwrap_or_default().lines() {
            let _gone = ctr(&["containers", "rm", container]).await;
        }
    }
    // What containerd did not end, or does not run to end.
    kill_shims();
    unmount_below(&MOUNTS)?;
    Ok(Vec::new())
}

async fn ctr(words: &[&str]) -> Result<String, HostError> {
    let arguments = ["-n", "k8s.io"].into_iter().chain(words.iter().copied());
    Ok(Command::new("ctr", arguments).timeout(CALL).run().await?.stdout)
}

/// Ends the shims of pods, and their containers with them: each is a child of its shim, or was.
fn kill_shims() {
    for pid in processes() {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let is_shim =
            words.first().is_some_and(|program| program.ends_with(b"containerd-shim-runc-v2")) && words.contains(&b"k8s.io".as_slice());
        if !is_shim {
            continue;
        }
        for victim in children(pid).into_iter().chain([pid]) {
            if let Some(victim) = rustix::process::Pid::from_raw(victim) {
                let _gone_already = rustix::process::kill_process(victim, rustix::process::Signal::KILL);
            }
        }
    }
}

fn processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Direct children, from the fourth field of /proc/PID/stat (proc_pid_stat(5)).
fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        after.split_whitespace().nth(1).and_then(|field| field.parse::<i32>().ok()) == Some(parent)
    };
    processes().into_iter().filter(is_child).collect()
}
