//! The lab for real: boots hosts, breaks them and checks that nothing is left. Needs root, systemd-nspawn and mmdebstrap, so it is
//! built with the feature `e2e` only. `BARQUE_LAB_CACHE` names a folder that keeps root file systems.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use barque_lab::hosts::{HostState, HostStatus, Lab, LabError, LabName, LabStatus, Notice, Peer, Topology};

/// A lab that is removed whatever happens.
struct Guard {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Guard {
    fn new(name: &str) -> Self {
        // Names are random so that tests, and labs of people, run side by side.
        let unique = tempfile::Builder::new().rand_bytes(6).prefix("").tempdir().unwrap();
        let random = unique.path().file_name().unwrap().to_str().unwrap().to_ascii_lowercase();
        let name: LabName = format!("{name}{random}").parse().unwrap();
        // Not below /tmp, which may be in memory or an overlay itself.
        let folder = tempfile::Builder::new().prefix("barque-lab-test-").tempdir_in("/var/tmp").unwrap();
        Self { lab: Lab::new(name, folder.path().join("lab")), folder }
    }

    fn up(&self, topology: &str) -> LabStatus {
        let cache = std::env::var_os("BARQUE_LAB_CACHE").map_or_else(|| PathBuf::from("/var/tmp/barque-lab-test-cache"), PathBuf::from);
        self.lab.up(Some(&Topology::parse(topology).unwrap()), &cache, None, &tell).unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.lab.down(false, &tell) {
            eprintln!("cleanup failed: {error:?}");
        }
    }
}

fn tell(notice: &Notice) {
    eprintln!("{notice}");
}

fn ssh(status: &LabStatus, known_hosts: &Path, user: &str, host: &HostStatus, command: &str) -> Output {
    std::fs::write(known_hosts, status.known_hosts()).unwrap();
    Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .arg("-i")
        .arg(&status.key)
        .arg(format!("{user}@{}", host.address))
        .arg(command)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn said(lab: &Lab, host: &str, command: &str) -> String {
    text(&lab.output(host, &["sh", "-c", command], b"").unwrap())
}

fn reaches(lab: &Lab, from: &str, to: &HostStatus) -> bool {
    let probe = format!("timeout 1 bash -c ': </dev/tcp/{}/22'", to.address);
    lab.output(from, &["sh", "-c", &probe], b"").unwrap().status.success()
}

fn answers(host: &HostStatus) -> bool {
    TcpStream::connect_timeout(&(host.address, 22).into(), Duration::from_millis(500)).is_ok()
}

fn left_over(status: &LabStatus) -> Vec<String> {
    let lists: [&[&str]; 3] = [&["ip", "-o", "link"], &["ip", "netns"], &["nft", "list", "tables"]];
    let mut found = Vec::new();
    for list in lists {
        let output = text(&Command::new(list[0]).args(&list[1..]).output().unwrap());
        found.extend(
            output
                .lines()
                .filter(|line| line.contains(&format!("{}-", status.name)) || line.contains(&format!("{}_", status.name)))
                .map(str::to_owned),
        );
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(status.directory.to_str().unwrap())).map(str::to_owned));
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", &format!("lab-{}-*", status.name)]).output().unwrap();
    found.extend(text(&groups).lines().map(str::to_owned));
    found.extend(
        status
            .hosts
            .iter()
            .filter_map(|host| host.pid)
            .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
            .map(|pid| format!("pid {pid}")),
    );
    found
}

#[test]
fn two_hosts_from_boot_to_removal() {
    let guard = Guard::new("a");
    let lab = &guard.lab;
    let up = guard.up("[[hosts]]\nname = 'one'\n[[hosts]]\nname = 'a-rather-long-host-name'\n");
    let (one, two) = (up.host("one").unwrap(), up.host("a-rather-long-host-name").unwrap());
    let known_hosts = guard.folder.path().join("known_hosts");

    // Real hosts: systemd is content, the key and the host key are the ones that the lab names.
    for host in [one, two] {
        assert_eq!(said(lab, &host.name, "systemctl is-system-running"), "running", "{}", said(lab, &host.name, "systemctl --failed"));
        let answer = ssh(&up, &known_hosts, "root", host, "hostname; getent hosts $(hostname) | cut -d' ' -f1");
        assert_eq!(text(&answer), format!("{}\n{}", host.name, host.address), "{answer:?}");
    }
    let ids = [one, two].map(|host| said(lab, &host.name, "cat /etc/machine-id"));
    assert!(ids[0].len() == 32 && ids[0] != ids[1], "{ids:?}");
    let mut swapped = up.clone();
    swapped.hosts[0].host_key.clone_from(&two.host_key);
    let refused = ssh(&swapped, &known_hosts, "root", one, "true");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("verification failed"), "{refused:?}");

    // exec passes input, output and exit codes through, and runs in the host's own namespaces.
    let output = lab.output("one", &["sh", "-c", "read word; echo got $word; exit 7"], b"this\n").unwrap();
    assert_eq!((text(&output).as_str(), output.status.code()), ("got this", Some(7)));
    assert_eq!(lab.exec("one", &["sh", "-c", "exit 9"]).unwrap(), 9);
    assert!(said(lab, "one", "cat /proc/1/comm").starts_with("systemd"));

    // up again changes nothing; another topology is refused.
    assert_eq!(lab.up(None, Path::new("/nonexistent"), None, &tell).unwrap(), up);
    let other = lab.up(Some(&Topology::default()), Path::new("/nonexistent"), None, &tell);
    assert!(matches!(other, Err(LabError::OtherTopology(_))), "{other:?}");

    // A frozen host accepts nothing; then it goes on as if nothing had been.
    let ticker = "systemd-run -q --unit ticker sh -c 'while :; do date +%s%N >/run/tick; sleep 0.05; done'; sleep 0.2";
    assert!(lab.output("one", &["sh", "-c", ticker], b"").unwrap().status.success());
    assert_eq!(lab.pause("one").unwrap().state, HostState::Paused);
    let tick = std::fs::read_to_string(format!("/proc/{}/root/run/tick", one.pid.unwrap())).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(tick, std::fs::read_to_string(format!("/proc/{}/root/run/tick", one.pid.unwrap())).unwrap());
    let paused = lab.exec("one", &["true"]);
    assert!(matches!(&paused, Err(error @ LabError::State { .. }) if error.hint().unwrap().contains("resume one")), "{paused:?}");
    assert_eq!(lab.resume("one").unwrap().state, HostState::Running);
    std::thread::sleep(Duration::from_millis(300));
    assert_ne!(tick, said(lab, "one", "cat /run/tick") + "\n");

    // Cuts go both ways, leave the rest alone and survive the host's own firewall; heal ends them.
    assert!(reaches(lab, "one", two) && reaches(lab, &two.name, one));
    lab.cut("one", &Peer::from(two.name.as_str())).unwrap();
    assert!(!reaches(lab, "one", two) && !reaches(lab, &two.name, one) && answers(one) && answers(two));
    lab.cut("one", &Peer::Operator).unwrap();
    assert!(!answers(one) && answers(two));
    assert!(lab.heal().unwrap().cuts.is_empty());
    assert!(reaches(lab, "one", two) && answers(one));
    assert_eq!(lab.cut("one", &Peer::All).unwrap().cuts, [("one".to_owned(), "all".to_owned())]);
    assert!(!reaches(lab, &two.name, one) && !answers(one) && answers(two));
    lab.heal().unwrap();

    // A loss of power keeps the disks, loses memory and the network's state, and the address stays.
    said(lab, "one", "echo kept >/root/file; echo real >/var/lib/etcd/file; touch /run/lost; ip address add 10.9.9.9/32 dev eth0");
    lab.pause("one").unwrap();
    let killed = lab.kill("one").unwrap();
    assert_eq!((killed.state, killed.pid), (HostState::Stopped, None));
    assert!(!answers(one) && answers(two));
    assert_eq!(lab.kill("one").unwrap().state, HostState::Stopped);
    let again = lab.boot("one", &tell).unwrap();
    assert_eq!((again.state, again.address, &again.host_key), (HostState::Running, one.address, &one.host_key));
    assert_eq!(said(lab, "one", "cat /root/file /var/lib/etcd/file; ls /run/lost; ip -o address | grep -c 10.9.9.9"), "kept\nreal\n0");
    assert!(ssh(&up, &known_hosts, "root", one, "true").status.success());

    // A host that switches itself off is seen as stopped and boots again.
    said(lab, "one", "systemctl poweroff --force --force");
    for _ in 0..100 {
        if lab.status().unwrap().host("one").unwrap().state == HostState::Stopped {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(lab.status().unwrap().host("one").unwrap().state, HostState::Stopped);
    assert_eq!(lab.boot("one", &tell).unwrap().state, HostState::Running);

    let unknown = lab.kill("three");
    assert!(matches!(unknown, Err(LabError::NoHost { .. })), "{unknown:?}");
    let last = lab.status().unwrap();
    lab.down(false, &tell).unwrap();
    assert_eq!(left_over(&last), [""; 0]);
    assert!(!last.directory.exists());
    lab.down(false, &tell).unwrap();
    assert!(matches!(lab.status(), Err(LabError::NoLab(_))));
}

#[test]
fn special_hosts_beside_another_lab() {
    let (guard, beside) = (Guard::new("b"), Guard::new("c"));
    let up = guard.up("[[hosts]]\nname = 'small'\ntmpfs = [{ path = '/var/lib/etcd', size = '1M' }]\nhostname_resolvable = false\n\
         os_release = { id = 'alpine', version_id = '3.20' }\n\
         [[hosts]]\nname = 'strict'\nno_root_login = true\nuser = { name = 'ops', password = 'a pass' }\n");
    let other = beside.up("[[hosts]]\nname = 'small'\n");
    assert_ne!(up.subnet, other.subnet);
    let lab = &guard.lab;
    let (small, strict) = (up.host("small").unwrap(), up.host("strict").unwrap());

    assert_eq!(said(lab, "small", ". /etc/os-release; echo $ID $VERSION_ID"), "alpine 3.20");
    assert_eq!(said(lab, "small", "getent hosts small; echo $?"), "2");
    let full = lab.output("small", &["sh", "-c", "head -c 2M /dev/zero >/var/lib/etcd/file"], b"").unwrap();
    assert!(!full.status.success() && String::from_utf8_lossy(&full.stderr).contains("No space left"), "{full:?}");
    assert_eq!(said(lab, "small", "command -v sudo; echo none"), "none");

    let known_hosts = guard.folder.path().join("known_hosts");
    assert!(!ssh(&up, &known_hosts, "root", strict, "true").status.success());
    let id =
        ssh(&up, &known_hosts, "ops", strict, "id -un; sudo -n true 2>/dev/null || echo refused; echo 'a pass' | sudo -S -p '' id -un");
    assert_eq!(text(&id), "ops\nrefused\nroot", "{id:?}");
    let record = std::fs::read_to_string(up.directory.join("state.json")).unwrap();
    assert!(!record.contains("a pass"), "the password was written down");

    // Hosts of two labs are strangers, also by name.
    assert!(!reaches(lab, "small", &other.hosts[0]));
    let stolen = Lab::new(up.name.parse().unwrap(), beside.folder.path().join("elsewhere"));
    let refused = stolen.up(None, Path::new("/nonexistent"), None, &tell);
    assert!(matches!(refused, Err(LabError::NameTaken { .. })), "{refused:?}");
    assert!(matches!(stolen.down(false, &tell), Err(LabError::NameTaken { .. })));
    let clash = Topology { subnet: Some(up.subnet), ..Topology::default() };
    let third = Guard::new("d");
    let cache = std::env::var_os("BARQUE_LAB_CACHE").map_or_else(|| PathBuf::from("/var/tmp/barque-lab-test-cache"), PathBuf::from);
    assert!(matches!(third.lab.up(Some(&clash), &cache, None, &tell), Err(LabError::SubnetTaken(_))));

    // Down with disks kept, and up again from them.
    said(lab, "small", "echo kept >/root/file");
    let before = lab.status().unwrap();
    lab.down(true, &tell).unwrap();
    assert_eq!(left_over(&before), [""; 0]);
    assert!(answers(&other.hosts[0]), "the lab beside it lives on");
    let again = lab.up(None, &cache, None, &tell).unwrap();
    assert_eq!(again.host("small").unwrap().host_key, small.host_key);
    assert_eq!(said(lab, "small", "cat /root/file"), "kept");

    // What a crash in the middle of `up` leaves is removed by the next one.
    let file = up.directory.join("state.json");
    let crashed = std::fs::read_to_string(&file).unwrap().replace("\"complete\": true", "\"complete\": false");
    std::fs::write(&file, crashed).unwrap();
    let pids: Vec<u32> = again.hosts.iter().filter_map(|host| host.pid).collect();
    let fresh = lab.up(None, &cache, None, &tell).unwrap();
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "the hosts of the crashed lab still run");
    assert_eq!(fresh.hosts.len(), 7, "a lab that never was complete does not decide what is wanted");
    assert!(fresh.hosts.iter().all(|host| host.state == HostState::Running));
    lab.down(false, &tell).unwrap();
    assert_eq!(left_over(&fresh), [""; 0]);
}
