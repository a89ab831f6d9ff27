//! `check` names every fault that is put on hosts, with its host and remedy, and nothing else; and it leaves the hosts as they were.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Listing, Scenario, Scope};
use serde_json::Value;

const TOPOLOGY: &str = r#"
[[hosts]]
name = "lb1"
[[hosts]]
name = "m1"
[[hosts]]
name = "m2"
[[hosts]]
name = "m3"
[[hosts]]
name = "n1"
[[hosts]]
name = "n2"
[[hosts]]
name = "old"
"#;

const HOSTS: [(&str, &str); 7] = [
    ("lb1", "loadBalancer"),
    ("m1", "etcd, master"),
    ("m2", "etcd, master"),
    ("m3", "etcd, master"),
    ("n1", "node"),
    ("n2", "node"),
    ("old", "node"),
];

/// The disk of all hosts is that of this machine, and its processors are few.
const ACCEPTED: &str = "checks:\n  accept:\n    - id: disk-latency\n      reason: three members of etcd share one disk here\n";

/// Faults: host, check, a word of the message, and the shell commands that make it so. systemd-run makes `$` of `$$`.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    (
        "m1",
        "port-in-use",
        "squatter.service",
        "systemd-run --quiet --unit=squatter perl -MIO::Socket::INET -e '@s=IO::Socket::INET->new(Listen=>1,LocalPort=>2379,LocalAddr=>\"0.0.0.0\") or die; sleep 9999'; \
         for i in 1 2 3 4 5 6 7 8 9; do grep -q :094B /proc/net/tcp && exit 0; sleep 1; done; exit 1",
    ),
    ("m1", "swap-at-boot", "/swap.img", "echo '/swap.img none swap sw 0 0' >>/etc/fstab"),
    ("m1", "etcd-leftovers", "/var/lib/etcd/member", "mkdir -p /var/lib/etcd/member/wal"),
    ("m1", "ssh-sessions", "MaxSessions", "printf 'MaxSessions 1\\n' >/etc/ssh/sshd_config.d/00-few.conf"),
    ("m2", "duplicate-machine-id", "m1", "echo $M1_MACHINE >/etc/machine-id"),
    ("m2", "hostname", "my_host", "perl -e '$$n = \"my_host\"; syscall(170, $$n, 7) == 0 or die' && echo $OWN my_host >>/etc/hosts"),
    (
        "m2",
        "read-only-mount",
        "/opt/cni/bin",
        "mkdir -p /opt/cni/bin && mount --bind /opt/cni/bin /opt/cni/bin && mount -o remount,ro,bind /opt/cni/bin",
    ),
    ("m2", "docker", "/var/lib/docker", "mkdir -p /var/lib/docker/overlay2"),
    ("m2", "cni-leftovers", "10-calico.conflist", "mkdir -p /etc/cni/net.d && echo '{}' >/etc/cni/net.d/10-calico.conflist"),
    ("m2", "ambiguous-interface", "lo", "ip address add $OWN/32 dev lo"),
    ("m3", "noexec-mount", "/usr/local/bin", "mount -t tmpfs -o noexec tmpfs /usr/local/bin"),
    (
        "m3",
        "package-lock",
        "perl",
        "touch /var/lib/dpkg/lock-frontend; systemd-run --quiet --unit=locker perl -MFcntl -e 'open F,\"+<\",\"/var/lib/dpkg/lock-frontend\" or die; \
         $$l=pack(\"s s x4 q q l x4\",F_WRLCK,0,0,0,0); fcntl(F,F_SETLK,$$l) or die; sleep 9999'; \
         for i in 1 2 3 4 5 6 7 8 9; do grep -q POSIX /proc/locks && exit 0; sleep 1; done; exit 1",
    ),
    ("m3", "own-name", "does not resolve", "grep -v \" $(hostname)$\" /etc/hosts >/srv/hosts; cat /srv/hosts >/etc/hosts"),
    ("m3", "disk-space", "/var/lib/etcd", "mount -t tmpfs -o size=32m tmpfs /var/lib/etcd"),
    (
        "n1",
        "foreign-kubernetes",
        "kube-apiserver.yaml",
        "mkdir -p /etc/kubernetes/manifests && touch /etc/kubernetes/manifests/kube-apiserver.yaml",
    ),
    ("n1", "dns-server", "192.0.2.53", "echo nameserver 192.0.2.53 >/etc/resolv.conf"),
    ("n1", "proxy", "/etc/environment", "echo https_proxy=http://user:hidden@192.0.2.80:3128 >>/etc/environment"),
    ("n1", "route-overlap", "10.244.7.0/24", "ip route add 10.244.7.0/24 dev eth0"),
    ("n1", "package-state", "updates", "touch /var/lib/dpkg/updates/0001"),
    ("n2", "default-route", "no default route", "ip route del default"),
    ("n2", "ssh-startups", "MaxStartups", "printf 'MaxStartups 1:30:2\\n' >/etc/ssh/sshd_config.d/00-few.conf"),
    (
        "n2",
        "inodes",
        "/var/lib/kubelet",
        "mount -t tmpfs -o nr_inodes=32 tmpfs /var/lib/kubelet && i=0; while [ $i -lt 30 ] && touch /var/lib/kubelet/f$i; do i=$((i+1)); done",
    ),
    ("n2", "kubelet-leftovers", "config.yaml", "mv /var/lib/kubelet/f0 /var/lib/kubelet/config.yaml"),
    ("n2", "duplicate-hostname", "n1", "hostname $N1_NAME && echo $OWN $N1_NAME >>/etc/hosts"),
    ("old", "operating-system", "centos 7", "sed -i 's/^ID=.*/ID=centos/; s/^VERSION_ID=.*/VERSION_ID=\"7\"/' /usr/lib/os-release"),
];

#[test]
fn every_fault_is_named_and_nothing_else() -> Result<()> {
    let scenario = Scenario::new("faults", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?.spec(ACCEPTED))?;
    scenario.step("a clean lab");
    let report = check_leaves_hosts_alone(&scenario, 0)?;
    ensure!(named(&report)?.is_empty(), "a clean lab has faults: {report:#}");
    scenario.step(&format!("{} faults", FAULTS.len() + 1));
    seed(&scenario)?;
    let report = check_leaves_hosts_alone(&scenario, 1)?;
    let mut expected: BTreeSet<(String, String)> =
        FAULTS.iter().map(|(host, check, _, _)| ((*host).to_owned(), (*check).to_owned())).collect();
    expected.insert(("lb1".into(), "host-unreachable".into()));
    let found = named(&report)?;
    let difference: Vec<_> = expected.symmetric_difference(&found).collect();
    ensure!(difference.is_empty(), "not found, or found and not put there: {difference:?}\n{report:#}");
    for (host, check, word, _) in FAULTS {
        let finding = finding(&report, host, check)?;
        let message = finding["message"].as_str().unwrap_or_default();
        ensure!(message.contains(word) && !finding["remedy"].as_str().unwrap_or_default().is_empty(), "{finding:#}");
    }
    ensure!(!report.to_string().contains("hidden"), "the report shows a proxy's password");
    scenario.step("up refuses and changes nothing");
    let before = listings(&scenario)?;
    scenario.lab.verb("heal", &[])?.ok()?;
    scenario.up(&[])?.code(1)?.says(&["squatter.service", "kube-apiserver.yaml", "centos 7", "nothing was changed"])?;
    let after = listings(&scenario)?;
    for (host, before) in &before {
        let changed = before.differences(&after[host]);
        ensure!(changed.iter().all(|line| line.contains(" /var/lib/barque")), "{host} was changed: {changed:?}");
    }
    Ok(())
}

fn seed(scenario: &Scenario) -> Result<()> {
    let machine = scenario.lab.get("m1", "cat /etc/machine-id")?;
    let name = scenario.lab.get("n1", "hostname")?;
    for (host, check, _, commands) in FAULTS {
        let own = scenario.lab.host(host)?.address;
        let script = format!("M1_MACHINE={machine}; N1_NAME={name}; OWN={own}; {commands}");
        scenario.lab.get(host, &script).with_context(|| format!("{check} cannot be put on {host}"))?;
    }
    scenario.lab.verb("cut", &["lb1", "operator"])?.ok()?;
    Ok(())
}

/// Runs `check` between two looks at every host's files.
fn check_leaves_hosts_alone(scenario: &Scenario, code: i32) -> Result<Value> {
    let before = listings(scenario)?;
    let finished = scenario.remote(&["check", "-o", "json"])?.code(code)?;
    scenario.step(&format!("check took {:.1} s", finished.took.as_secs_f64()));
    let after = listings(scenario)?;
    for (host, before) in &before {
        let changed = before.differences(&after[host]);
        ensure!(changed.is_empty(), "check changed {host}: {changed:?}");
    }
    Ok(serde_json::from_str(&finished.stdout)?)
}

/// Every file of every host, memory and temporary folders too. Left out is what changes while nobody does anything: the kernel's own files,
/// the state of systemd and of logins, logs.
fn listings(scenario: &Scenario) -> Result<BTreeMap<String, Listing>> {
    let names: Vec<&str> = HOSTS.iter().map(|(host, _)| *host).collect();
    let scope = Scope::of(&["/", "/dev/shm", "/run/lock"]).without(&["/proc", "/sys", "/dev", "/run", "/var/log", "/var/lib/systemd"]);
    let listings = scenario.lab.listings(&names, &scope.with_times())?;
    for host in names {
        let left = scenario.lab.get(host, "find /run /dev/shm -name '*barque*' 2>/dev/null || true")?;
        ensure!(left.is_empty(), "{host}: barque left {left}");
    }
    Ok(listings)
}

/// Hosts and checks of a report's findings.
fn named(report: &Value) -> Result<BTreeSet<(String, String)>> {
    let findings = report["findings"].as_array().context("a report has findings")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(findings.iter().map(|finding| (text(&finding["host"]), text(&finding["id"]))).collect())
}

fn finding<'a>(report: &'a Value, host: &str, check: &str) -> Result<&'a Value> {
    let findings = report["findings"].as_array().context("a report has findings")?;
    findings.iter().find(|finding| finding["host"] == host && finding["id"] == check).with_context(|| format!("{host}: {check}"))
}
