//! The machine, its operating system, its names.

use barque_model::{Component, HostName, Role};

use crate::distribution::{self, Standing};
use crate::evaluate::HostView;
use crate::{CheckId, Finding};

/// `Type=exec` came with it (systemd's NEWS).
const SYSTEMD: u32 = 240;
/// What kubeadm asks of a control-plane machine, in bytes.
const MASTER_MEMORY: u64 = 1700 << 20;
/// Half of that for what has no control plane but pods or etcd.
const OTHER_MEMORY: u64 = 850 << 20;
/// haproxy and keepalived take little.
const BALANCER_MEMORY: u64 = 256 << 20;
/// What kubeadm asks of a control-plane machine.
const MASTER_PROCESSORS: u32 = 2;

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let facts = &view.inspection.facts;
    let mut report = |id, message: String, remedy: &str| findings.push(Finding::new(id, &view.host.name, message, remedy));
    let found = format!("`{}` ({} {})", facts.os.pretty_name, facts.os.id, facts.os.version_id);
    match distribution::standing(&facts.os) {
        Standing::Tried => {}
        Standing::Alike => report(
            CheckId::UntriedSystem,
            format!("nobody has tried barque on its operating system {found}"),
            "try it on hosts that may fail first, then accept this check with what you saw",
        ),
        Standing::Unknown => report(
            CheckId::OperatingSystem,
            format!("its operating system {found} is not supported"),
            &format!("install one of: {}", distribution::known()),
        ),
    }
    if !matches!(facts.architecture.as_str(), "amd64" | "arm64") {
        report(CheckId::Architecture, format!("its architecture `{}` is not supported", facts.architecture), "use amd64 or arm64");
    }
    if !facts.systemd {
        report(CheckId::InitSystem, "systemd is not its init system".into(), "use a host whose process 1 is systemd");
    } else if let Some(version) = view.inspection.system.systemd.filter(|version| *version < SYSTEMD) {
        report(
            CheckId::SystemdVersion,
            format!("systemd is version {version}; the units need {SYSTEMD}"),
            "upgrade the host's distribution release",
        );
    }
    capacity(view, &mut report);
    security(view, &mut report);
    names(view, &mut report);
    if !view.inspection.time_service && !view.inspection.system.container {
        report(
            CheckId::TimeService,
            "no time service runs".into(),
            &format!(
                "install and enable one: `{}`, or `systemctl enable --now systemd-timesyncd`",
                distribution::install(&view.inspection.facts.os, "chrony")
            ),
        );
    }
}

fn capacity(view: &HostView<'_>, report: &mut impl FnMut(CheckId, String, &str)) {
    let facts = &view.inspection.facts;
    let needed = if view.host.has(Role::Master) {
        MASTER_MEMORY
    } else if view.host.has(Role::Etcd) || view.host.has(Role::Node) {
        OTHER_MEMORY
    } else {
        BALANCER_MEMORY
    };
    if facts.memory_bytes < needed {
        let (found, needed) = (facts.memory_bytes >> 20, needed >> 20);
        report(
            CheckId::Memory,
            format!("it has {found} MB of memory; its roles need {needed} MB"),
            "give it more memory, or take a role from it in the cluster file",
        );
    }
    if view.host.has(Role::Master) && facts.processors < MASTER_PROCESSORS {
        report(
            CheckId::Processors,
            format!("it has {} processor; a master needs {MASTER_PROCESSORS}", facts.processors),
            "give it another processor, or take the role from it in the cluster file",
        );
    }
}

fn security(view: &HostView<'_>, report: &mut impl FnMut(CheckId, String, &str)) {
    let system = &view.inspection.system;
    if system.selinux_enforcing {
        report(
            CheckId::Selinux,
            "SELinux is enforcing, and barque brings no policy for it".into(),
            "run `setenforce 0` and set SELINUX=permissive in /etc/selinux/config, or bring a policy and accept this check",
        );
    }
    if system.apparmor && !system.apparmor_parser && view.host.runs(Component::Containerd) {
        report(
            CheckId::Apparmor,
            "AppArmor is on and its loader is not installed: containers run without a profile".into(),
            &format!("run `{}` on the host", distribution::install(&view.inspection.facts.os, "apparmor")),
        );
    }
}

fn names(view: &HostView<'_>, report: &mut impl FnMut(CheckId, String, &str)) {
    let facts = &view.inspection.facts;
    // A full name is accepted, label by label; case does not matter to DNS.
    let valid = facts.hostname.to_ascii_lowercase().split('.').all(|label| label.parse::<HostName>().is_ok());
    if !valid {
        report(
            CheckId::Hostname,
            format!("its host name `{}` is no DNS name (RFC 1123): letters, digits and `-` only", facts.hostname),
            &format!("run `hostnamectl hostname {}` on the host, and correct /etc/hosts", view.host.name),
        );
    }
    if !facts.resolves_own_name {
        report(
            CheckId::OwnName,
            format!("its own name `{}` does not resolve within a second", facts.hostname),
            &format!("add the line `{} {}` to /etc/hosts on the host", view.host.address, facts.hostname),
        );
    }
}
