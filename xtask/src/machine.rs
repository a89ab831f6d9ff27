//! `cargo xtask machine`: barque on a machine with a kernel of its own, which the lab's hosts have not: Debian 13 as it is installed, its kernel, cgroup v2,
//! a disk, modules that have to be loaded, and a real reboot. QEMU emulates it, so that it needs no KVM; everything is checked by SSH and kubectl.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use barque_lab::hosts::{RootfsSpec, rootfs};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::run::{self, root};
use crate::{dist, unpack};

const QEMU: &str = "qemu-system-x86_64";
/// The machine's end of a network of two addresses, within those of labs.
const ADDRESS: &str = "10.79.255.2";
const GATEWAY: &str = "10.79.255.1";
const INTERFACE: &str = "barque-vm";
const NAME: &str = "v1";
/// Emulated, an API server takes minutes to start.
const PATIENCE: Duration = Duration::from_mins(15);
/// What must be as before once everything is taken back: digests of files, and what runs. What systemd, dpkg and the programs for users keep of their own
/// work, and barque's journals, are left out.
const STATE: &str = "find /etc /usr/local /opt /var/lib -xdev -type f -not -path '/var/lib/systemd/*' -not -path '/var/lib/dpkg/*' \
                     -not -path '/var/lib/barque/*' -not -path '/etc/*-' -print0 | sort -z | xargs -0 sha256sum; systemctl list-units --no-legend --plain --type=service --state=running | cut -d' ' -f1 | grep -v '@'";

/// Deploys, deploys again, reboots and takes back; fails where something is not as it should be.
pub(crate) fn run(kvm: bool, build: bool) -> Result<()> {
    if build {
        dist::run(dist::Profile::Quick)?;
    }
    run::check(&mut run::command(dist::binary(), &["lab", "artifacts"]))?;
    if Command::new(QEMU).arg("--version").output().is_err() {
        run::check(&mut run::command("apt-get", &["install", "--yes", "--no-install-recommends", "qemu-system-x86", "seabios"]))?;
    }
    let folder = root().join("target/machine");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    unpack::programs(&folder, &["kubectl"])?;
    disk(&folder)?;
    let _network = Network::make()?;
    let begun = Instant::now();
    let _machine = Machine::boot(&folder, kvm)?;
    let case = Case { folder, begun };
    case.whole()
}

/// Debian on a disk of its own, with a key for root and an address; kernel and initial file system beside it.
fn disk(folder: &Path) -> Result<()> {
    let cache = unpack::bundle()?.parent().context("the bundle's folder has a parent")?.to_path_buf();
    let system = rootfs::ensure_spec(&cache, &RootfsSpec::machine(), &|_| {})?;
    let tree = folder.join("root");
    run::check(run::command("cp", &["--archive"]).arg(&system).arg(&tree))?;
    for (place, comment) in [(folder.join("key"), "operator"), (tree.join("etc/ssh/ssh_host_ed25519_key"), NAME)] {
        run::check(run::command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(place))?;
    }
    let host_key = fs::read_to_string(tree.join("etc/ssh/ssh_host_ed25519_key.pub"))?;
    fs::write(folder.join("known_hosts"), format!("{ADDRESS} {host_key}"))?;
    let network = format!("[Match]\nName=en*\n[Network]\nAddress={ADDRESS}/30\nGateway={GATEWAY}\n");
    for (path, text) in [
        ("root/.ssh/authorized_keys", fs::read_to_string(folder.join("key.pub"))?),
        ("etc/ssh/sshd_config.d/10-machine.conf", "PermitRootLogin prohibit-password\n".to_owned()),
        ("etc/hostname", format!("{NAME}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n{ADDRESS} {NAME}\n")),
        ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n".to_owned()),
        ("etc/systemd/network/10-machine.network", network),
    ] {
        let file = tree.join(path);
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(file, text)?;
    }
    let wants = tree.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    fs::os::unix::fs::symlink("/usr/lib/systemd/system/systemd-networkd.service", wants.join("systemd-networkd.service"))?;
    for entry in fs::read_dir(tree.join("boot"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for wanted in ["vmlinuz", "initrd"] {
            if name.starts_with(wanted) {
                fs::copy(&path, folder.join(wanted))?;
            }
        }
    }
    let image = folder.join("disk");
    fs::File::create(&image)?.set_len(16 << 30)?;
    run::check(run::command("mke2fs", &["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&image))?;
    Ok(fs::remove_dir_all(tree)?)
}

/// An interface between this machine and the other one; it goes when this is dropped.
struct Network;

impl Network {
    fn make() -> Result<Self> {
        // One that is there already is another run's, and not removed.
        run::check(&mut run::command("ip", &["tuntap", "add", INTERFACE, "mode", "tap"]))?;
        let network = Self;
        for words in [&["address", "add", &format!("{GATEWAY}/30"), "dev", INTERFACE][..], &["link", "set", INTERFACE, "up"]] {
            run::check(&mut run::command("ip", words))?;
        }
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = run::check(&mut run::command("ip", &["link", "delete", INTERFACE])) {
            eprintln!("machine: {error:#}");
        }
    }
}

/// The emulated machine; it ends when this is dropped.
struct Machine(Child);

impl Machine {
    fn boot(folder: &Path, kvm: bool) -> Result<Self> {
        let (accelerator, processor) = if kvm { ("kvm", "host") } else { ("tcg,thread=multi,tb-size=512", "max") };
        let console = format!("file:{}", folder.join("console").display());
        let drive = format!("file={},if=virtio,format=raw,cache=unsafe", folder.join("disk").display());
        let child = run::command(QEMU, &["-machine", "q35", "-accel", accelerator, "-cpu", processor, "-smp", "2", "-m", "4096"])
            .args(["-append", "root=/dev/vda rw console=ttyS0 quiet", "-kernel"])
            .arg(folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(folder.join("initrd"))
            .args(["-drive", &drive, "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-netdev", &format!("tap,id=net,ifname={INTERFACE},script=no,downscript=no")])
            .args(["-nodefaults", "-nographic", "-monitor", "none", "-serial", &console])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start QEMU")?;
        Ok(Self(child))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        if let Err(error) = ended {
            eprintln!("machine: cannot end QEMU: {error}");
        }
    }
}

struct Case {
    folder: PathBuf,
    begun: Instant,
}

impl Case {
    fn whole(&self) -> Result<()> {
        self.step("boots: Debian's kernel, cgroup v2");
        eventually("SSH answers", || self.ssh("true").map(drop))?;
        eprintln!("{}", self.ssh("uname --kernel-release --machine")?);
        ensure!(self.ssh("stat --file-system --format=%T /sys/fs/cgroup")?.trim() == "cgroup2fs", "the machine has no cgroup v2");
        ensure!(!self.ssh("cat /proc/modules")?.contains("br_netfilter"), "a module that barque loads is loaded already");
        let before = self.ssh(STATE)?;

        self.step("`check` names a configuration of the network that would take pods' interfaces, and no error without it");
        self.cluster_file()?;
        let all = "/etc/systemd/network/05-all.network";
        self.ssh(&format!("printf '[Match]\\nType=ether\\n' > {all}"))?;
        let named = run::command(dist::binary(), &["check", "--accept-new-host-keys"]).current_dir(&self.folder).output()?;
        let report = String::from_utf8_lossy(&named.stdout).into_owned();
        ensure!(!named.status.success() && report.contains(all) && report.contains("pod-interfaces"), "{all} is not named:\n{report}");
        self.ssh(&format!("rm {all}"))?;
        self.barque(&["check"])?;

        self.step("`up` makes a cluster of it");
        self.barque(&["up"])?;
        self.serves()?;
        ensure!(!self.ssh("cat /var/lib/kubelet/config.yaml")?.contains("failCgroupV1: false"), "kubelet was told to bear cgroup v1");

        self.step("a second `up` changes nothing");
        let again = self.barque(&["up"])?;
        ensure!(again.contains("nothing to change"), "{again}");
        self.barque(&["status"])?;

        self.step("a reboot: the cluster comes back by itself");
        let boot = self.ssh("cat /proc/sys/kernel/random/boot_id")?;
        // The connection may end before the command does.
        drop(self.ssh("systemctl reboot"));
        eventually("another boot", || {
            let now = self.ssh("cat /proc/sys/kernel/random/boot_id")?;
            ensure!(now != boot, "still the same boot");
            let known = self.kubectl(&["get", "node", NAME, "-o", "jsonpath={.status.nodeInfo.bootID}"])?;
            ensure!(known.trim() == now.trim(), "kubelet has not told of it");
            Ok(())
        })?;
        self.serves()?;

        self.step("taken back: files and services are as before");
        let runs = self.folder.join(".barque/machine/runs");
        let mut names: Vec<String> =
            fs::read_dir(runs)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<_>>()?;
        names.sort();
        self.barque(&["rollback", names.first().context("there is a run")?, "--yes", "--delete-data"])?;
        let after = self.ssh(STATE)?;
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<String>>();
        let different: Vec<String> = lines(&before).symmetric_difference(&lines(&after)).cloned().collect();
        ensure!(different.is_empty(), "not as before:\n{}", different.join("\n"));
        self.step("all as it should be");
        Ok(())
    }

    fn cluster_file(&self) -> Result<()> {
        let key = self.folder.join("key");
        let text = format!(
            "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {{name: machine}}\nspec:\n  kubernetes: {{version: {}}}\n  hosts:\n    - name: {NAME}\n      \
             address: {ADDRESS}\n      roles: [etcd, master, node]\n      ssh: {{user: root, key: {}}}\n",
            barque_catalog::supported().into_iter().max().context("a version is supported")?,
            key.display()
        );
        Ok(fs::write(self.folder.join("cluster.yaml"), text)?)
    }

    /// The node is Ready, and every pod runs.
    fn serves(&self) -> Result<()> {
        let kubeconfig = self.barque(&["kubeconfig"])?;
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(self.folder.join("admin.conf"))?;
        std::io::Write::write_all(&mut file, kubeconfig.as_bytes())?;
        eventually("the node is Ready", || {
            self.kubectl(&["wait", "--for=condition=Ready", "--timeout=10s", "node", NAME])?;
            self.kubectl(&["wait", "--for=condition=Ready", "--timeout=10s", "--all-namespaces", "--all", "pods"])?;
            Ok(())
        })?;
        eprint!("{}", self.kubectl(&["get", "nodes,pods", "--all-namespaces", "-o", "wide"])?);
        Ok(())
    }

    fn step(&self, text: &str) {
        eprintln!("machine: {:.0} s: {text}", self.begun.elapsed().as_secs_f64());
    }

    fn barque(&self, words: &[&str]) -> Result<String> {
        run::output(run::command(dist::binary(), words).current_dir(&self.folder))
    }

    fn kubectl(&self, words: &[&str]) -> Result<String> {
        run::output(run::command(self.folder.join("kubectl"), &["--kubeconfig", "admin.conf"]).current_dir(&self.folder).args(words))
    }

    fn ssh(&self, script: &str) -> Result<String> {
        let known = format!("UserKnownHostsFile={}", self.folder.join("known_hosts").display());
        let mut command = run::command("ssh", &["-q", "-o", &known, "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=5", "-i"]);
        run::output(command.arg(self.folder.join("key")).arg(format!("root@{ADDRESS}")).arg(script))
    }
}

/// Asks until it holds.
fn eventually(what: &str, look: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => bail!("not within {} minutes: {what}: {error:#}", PATIENCE.as_secs() / 60),
            Err(_) => std::thread::sleep(Duration::from_secs(2)),
        }
    }
}
