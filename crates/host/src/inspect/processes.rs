//! Processes of this host.

use std::collections::BTreeSet;

use barque_check::Process;
use fs_err as fs;

use super::read::{line, names, text};
use crate::context::HostContext;

/// Every process, by number.
pub(super) fn processes(context: &HostContext) -> Vec<Process> {
    let mut pids: Vec<u32> = names(context, "/proc").iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().filter_map(|pid| process(context, pid)).collect()
}

/// Whether a process of this machine has `name`, as the kernel shortens it (15 characters), and is not ending.
pub fn runs(name: &str) -> bool {
    processes(&HostContext::new("/")).iter().any(|process| process.name == name)
}

/// One process; `None` when it has ended or is ending.
pub(super) fn process(context: &HostContext, pid: u32) -> Option<Process> {
    let name = line(context, &format!("/proc/{pid}/comm"))?;
    let groups = text(context, &format!("/proc/{pid}/cgroup"));
    // Last: with cgroup version 1 the kernel shows a process that ends at the root of the hierarchy (kernel/cgroup/cgroup.c,
    // proc_cgroup_show), so a unit that restarts would look like a program of somebody else.
    if is_ending(&text(context, &format!("/proc/{pid}/stat"))) {
        return None;
    }
    Some(Process { name, pid, unit: unit(&groups), pod: groups.contains("/kubepods") })
}

/// Whether a line of /proc/PID/stat is a process's that ends: it is gone, a zombie, or has PF_EXITING set (proc_pid_stat(5), fields 3 and
/// 9; include/linux/sched.h).
fn is_ending(stat: &str) -> bool {
    const PF_EXITING: u64 = 0x4;
    // The program's name, in parentheses, may hold any character.
    let Some((_, after_name)) = stat.rsplit_once(')') else { return true };
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let exiting = fields.get(6).and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|flags| flags & PF_EXITING != 0);
    matches!(fields.first(), Some(&("Z" | "X")) | None) || exiting
}

/// The process among `processes` that has one of the sockets open.
pub(super) fn holder<'a>(context: &HostContext, processes: &'a [Process], sockets: &BTreeSet<u64>) -> Vec<(u64, &'a Process)> {
    let mut found = Vec::new();
    for process in processes {
        let Ok(entries) = fs::read_dir(context.path(&format!("/proc/{}/fd", process.pid))) else { continue };
        for entry in entries.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).and_then(|number| number.parse().ok());
            found.extend(inode.filter(|inode| sockets.contains(inode)).map(|inode| (inode, process)));
        }
    }
    found
}

/// The unit in the systemd hierarchy of cgroup(7): `0::/system.slice/etcd.service`, or `1:name=systemd:…` with version 1. A container's own
/// groups may stand before it, so the last one counts.
fn unit(groups: &str) -> Option<String> {
    let paths = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers) = (fields.next()?, fields.next()?);
        (controllers == "name=systemd" || (number == "0" && controllers.is_empty())).then(|| fields.next()).flatten()
    });
    let mut best = None;
    for path in paths {
        let parts = || path.split('/').rev();
        let ending = |kind: &str| parts().find(|part| part.rsplit_once('.').is_some_and(|(_, end)| end == kind));
        let found = ending("service").or_else(|| ending("scope"));
        best = best.or(found.map(str::to_owned));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_both_versions() {
        assert_eq!(unit("0::/system.slice/etcd.service\n").as_deref(), Some("etcd.service"));
        assert_eq!(unit("4:memory:/\n1:name=systemd:/lab-a1/system.slice/etcd.service\n0::/\n").as_deref(), Some("etcd.service"));
        assert_eq!(unit("0::/user.slice/user-0.slice/session-3.scope\n").as_deref(), Some("session-3.scope"));
        assert_eq!(unit("0::/user.slice/user@0.service/app.slice/web.service/sub\n").as_deref(), Some("web.service"));
        assert_eq!(unit("0::/\n"), None);
    }

    #[test]
    fn what_ends_is_no_process() {
        let stat = |state: &str, flags: &str| format!("1299 (kube-api (x) y) {state} 1 1299 1299 0 -1 {flags} 1 2 3 4\n");
        assert!(!is_ending(&stat("S", "4194560")));
        assert!(!is_ending(&stat("R", "4194304")));
        assert!(is_ending(&stat("R", "4194308")), "PF_EXITING");
        assert!(is_ending(&stat("Z", "4227084")));
        assert!(is_ending(""), "gone between two reads");
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn a_zombie_is_not_found() {
        let context = HostContext::new("/");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        // Waits until it has ended, and leaves it unreaped.
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
        assert_eq!(process(&context, child.id()), None);
        child.wait().unwrap();
    }

    #[test]
    fn this_process_is_found() {
        let context = HostContext::new("/");
        let own = std::process::id();
        let found = processes(&context);
        let this = found.iter().find(|process| process.pid == own);
        assert!(this.is_some_and(|process| runs(&process.name)) && !runs("no-such-program"));
    }
}
