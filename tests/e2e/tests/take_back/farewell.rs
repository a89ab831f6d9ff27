//! Taking back the first deployment leaves the hosts as they were.

use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{Scenario, Scope, eventually};

use crate::hosts::{self, Found};

/// useradd and userdel leave a copy of the accounts as they were before; `/var/lib/containerd` is a mount of the lab's, which stays, with the
/// mode that containerd gave it.
const EXCEPT: [&str; 5] = ["/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/var/lib/containerd"];

pub(crate) fn hosts_are_as_found(scenario: &Scenario, found: &Found, first: &str) -> Result<()> {
    scenario.step("taking everything back needs a word about etcd's data");
    let before = scenario.lab.listings(&crate::ALL, &Scope::managed().with_times())?;
    scenario.remote(&["rollback", first, "--yes"])?.code(5)?.says(&["--delete-data", "/var/lib/etcd"])?;
    let after = scenario.lab.listings(&crate::ALL, &Scope::managed().with_times())?;
    ensure!(before == after, "a refused rollback changed something");
    scenario.step("taking everything back");
    scenario.remote(&["rollback", first, "--yes", "--delete-data", "--forget"])?.ok()?;
    let own = "/etc/systemd/system/kubelet.service.d";
    let text = scenario.lab.get("n1", &format!("cat {own}/99-own.conf"))?;
    ensure!(text == "[Service]\nNice=0", "somebody's drop-in file is {text}");
    scenario.lab.get("n1", &format!("rm {own}/99-own.conf; rmdir {own}; systemctl daemon-reload"))?;
    scenario.step("files");
    hosts::files_are_as_found(scenario, found, &EXCEPT)?;
    scenario.step("processes, mounts, interfaces, parameters, rules, units, users");
    for host in crate::ALL {
        let left = scenario.lab.get(
            host,
            "for process in /proc/[0-9]*; do tr '\\0' ' ' <$process/cmdline 2>/dev/null | grep -E '(etcd|kube|containerd|flannel|haproxy|keepalived|barque|coredns|pause)' | grep -v 'for process'; done; true",
        )?;
        ensure!(left.is_empty(), "{host}: processes are left:\n{left}");
    }
    // The kernel takes network namespaces apart when it finds the time.
    eventually("the kernel's state is as found", Duration::from_secs(20), || {
        let now = hosts::kernel(scenario)?;
        for (host, before) in &found.kernel {
            ensure!(now[host] == *before, "{host}: before:\n{before}\nafter:\n{}", now[host]);
        }
        Ok(())
    })
}
