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

/// One process; `None` when it has ended.
pub(super) fn process(context: &HostContext, pid: u32) -> Option<Process> {
    let name = line(context, &format!("/proc/{pid}/comm"))?;
    let groups = text(context, &format!("/proc/{pid}/cgroup"));
    Some(Process { name, pid, unit: unit(&groups), pod: groups.contains("/kubepods") })
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
    fn this_process_is_found() {
        let context = HostContext::new("/");
        let own = std::process::id();
        assert!(processes(&context).iter().any(|process| process.pid == own));
    }
}
