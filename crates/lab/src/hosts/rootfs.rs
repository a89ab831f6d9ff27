//! The root file systems that hosts share as the lower layer of their disks: one for each release of Debian and list of packages.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use sha2::{Digest as _, Sha256};

use super::apt::{self, Archive};
use super::progress::{Notice, Progress};
use super::suite::Suite;
use super::tool::{self, ToolError};

/// Raise it when what this module does to the tree changes.
const RECIPE: u32 = 2;
/// What a plain host needs to boot and to be reached: no Python, no curl, no firewall tools, no sudo.
const PACKAGES: [&str; 5] = ["dbus", "iproute2", "openssh-server", "systemd", "systemd-sysv"];
/// Units that a host of a lab has no use for; without them seven hosts boot in half the time. Not every release has all of them.
const MASKED: [&str; 30] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "getty-static.service",
    "getty.target",
    "getty@tty1.service",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-hibernate-clear.service",
    "systemd-journal-catalog-update.service",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tpm2-setup-early.service",
];
/// Generators that look for hardware or consoles.
const GENERATORS_MASKED: [&str; 6] = [
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-tpm2-generator",
];
/// What a machine with a kernel of its own needs besides: Debian's kernel for virtual machines, and what loads its modules.
#[cfg(target_arch = "x86_64")]
const KERNEL: &str = "linux-image-cloud-amd64";
#[cfg(not(target_arch = "x86_64"))]
const KERNEL: &str = "linux-image-cloud-arm64";
const MACHINE_PACKAGES: [&str; 4] = ["initramfs-tools", "kmod", KERNEL, "udev"];
const JOURNALD: &str = "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n";

/// A root file system that could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// No apt source of this machine carries Debian.
    #[error("this machine's apt sources name no Debian archive")]
    NoArchive,
    /// The tool that builds it failed.
    #[error("cannot build the root file system")]
    Tool(#[from] ToolError),
    /// A file could not be read or written.
    #[error("cannot prepare the root file system")]
    Io(#[from] std::io::Error),
}

impl RootfsError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoArchive => Some("name a Debian archive: `barque lab up --mirror URL`".to_owned()),
            Self::Tool(error) => error.hint(),
            Self::Io(_) => None,
        }
    }
}

/// What a root file system contains and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootfsSpec {
    /// Packages beside the plain host's own.
    pub extra_packages: Vec<String>,
    /// The release of Debian.
    pub suite: Suite,
    /// The Debian archive; `None` takes the one of this machine's apt sources.
    pub mirror: Option<String>,
    /// Whether it is for a machine with a kernel of its own: a kernel is among its packages, and no unit is masked.
    pub machine: bool,
}

impl RootfsSpec {
    /// The plain host, of Debian 13: systemd, sshd, iproute2 and what they need.
    pub fn plain() -> Self {
        Self { extra_packages: Vec::new(), suite: Suite::default(), mirror: None, machine: false }
    }

    /// A machine with a kernel of its own, as Debian makes it.
    pub fn machine() -> Self {
        Self { extra_packages: MACHINE_PACKAGES.map(str::to_owned).to_vec(), machine: true, ..Self::plain() }
    }

    fn packages(&self) -> Vec<String> {
        let mut packages: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).chain(self.extra_packages.iter().cloned()).collect();
        packages.sort();
        packages.dedup();
        packages
    }

    /// The name of its folder: the suite and a digest of all that decides its content.
    fn key(&self) -> String {
        let suite = self.suite;
        let mut hash = Sha256::new();
        hash.update(format!("{RECIPE}\n{suite}\n{}\n{JOURNALD}", self.packages().join(" ")));
        for name in MASKED.iter().chain(&GENERATORS_MASKED) {
            hash.update(format!("\n{name}"));
        }
        if self.machine {
            hash.update("\nmachine");
        }
        format!("{suite}-{}", &hex::encode(hash.finalize())[..12])
    }
}

/// The plain root file system of Debian 13, built below `cache` unless it is there already. Needs root and, to build, some 20 s.
///
/// The answer is the tree itself. Its dpkg status is complete; apt's package lists are not in it.
pub fn ensure(cache: &Path, progress: Progress<'_>) -> Result<PathBuf, RootfsError> {
    ensure_spec(cache, &RootfsSpec::plain(), progress)
}

/// Like [`ensure`], for a root file system of another release, with more packages or from another archive.
pub fn ensure_spec(cache: &Path, spec: &RootfsSpec, progress: Progress<'_>) -> Result<PathBuf, RootfsError> {
    let folder = cache.join("rootfs");
    let target = folder.join(spec.key());
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(&folder)?;
    let lock = fs::OpenOptions::new().create(true).append(true).open(folder.join("lock"))?;
    lock.file().lock()?;
    // Another run may have built it while this one waited for the lock.
    if target.is_dir() {
        return Ok(target);
    }
    progress(&Notice::BuildingRootfs { suite: spec.suite.to_string() });
    let begun = Instant::now();
    let partial = folder.join(format!("{}.partial", spec.key()));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    bootstrap(&folder, &partial, spec, progress)?;
    prepare(&partial, spec)?;
    fs::rename(&partial, &target)?;
    progress(&Notice::RootfsBuilt { seconds: begun.elapsed().as_secs_f64() });
    Ok(target)
}

fn bootstrap(folder: &Path, target: &Path, spec: &RootfsSpec, progress: Progress<'_>) -> Result<(), RootfsError> {
    let source = match &spec.mirror {
        Some(uri) => Archive { uri: uri.clone(), signed_by: None, trusted: false },
        None => machine_archive()?.ok_or(RootfsError::NoArchive)?,
    };
    let dump = tool::run("apt-config", ["dump"])?;
    let options = apt::acquisition_options(&String::from_utf8_lossy(&dump.stdout));
    let configuration = folder.join("apt.conf");
    // A proxy's address may hold a password.
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&configuration)?;
    std::io::Write::write_all(&mut file, options.as_bytes())?;
    let mut child = tool::command("mmdebstrap")
        .args(["--variant=minbase", "--mode=root", "--format=directory"])
        .arg(format!("--aptopt={}", configuration.display()))
        .args(["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"])
        // Packages with a choice of programs, such as Java's, fail where the folder of their pages is not there.
        .arg("--essential-hook=mkdir -p \"$1/usr/share/man/man1\"")
        .arg(format!("--include={}", spec.packages().join(",")))
        .arg(spec.suite.name())
        .arg(target)
        .arg(source.line(spec.suite.name()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| tool::start_error("mmdebstrap", error))?;
    let mut output = String::new();
    if let Some(pipe) = child.stderr.take() {
        for line in BufReader::new(pipe).lines() {
            let line = line?;
            progress(&Notice::RootfsLine(line.clone()));
            output.push_str(&line);
            output.push('\n');
        }
    }
    let status = child.wait()?;
    fs::remove_file(&configuration)?;
    if status.success() {
        return Ok(());
    }
    Err(ToolError::Failed { command: "mmdebstrap".to_owned(), status, output: tool::last_lines(&output, 20) }.into())
}

/// The archive of Debian that this machine uses itself.
fn machine_archive() -> Result<Option<Archive>, std::io::Error> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    for path in files.into_iter().filter(|path| path.is_file()) {
        let archive = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => apt::from_lines(&fs::read_to_string(&path)?),
            Some("sources") => apt::from_deb822(&fs::read_to_string(&path)?),
            _ => None,
        };
        if archive.is_some() {
            return Ok(archive);
        }
    }
    Ok(None)
}

/// Makes the tree fit to be shared: no identity, no mirror, nothing started that no host needs.
fn prepare(root: &Path, spec: &RootfsSpec) -> Result<(), std::io::Error> {
    for path in ["etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap"] {
        remove_if_present(&root.join(path))?;
    }
    for kind in ["rsa", "ecdsa", "ed25519"] {
        remove_if_present(&root.join(format!("etc/ssh/ssh_host_{kind}_key")))?;
        remove_if_present(&root.join(format!("etc/ssh/ssh_host_{kind}_key.pub")))?;
    }
    for path in ["etc/apt/sources.list", "etc/resolv.conf", "etc/machine-id"] {
        remove_if_present(&root.join(path))?;
        fs::write(root.join(path), "")?;
    }
    if !spec.machine {
        mask(root)?;
    }
    fs::set_permissions(root, std::fs::Permissions::from_mode(0o755))
}

/// Takes out what hosts that share this machine's kernel have no use for.
fn mask(root: &Path) -> Result<(), std::io::Error> {
    let units = root.join("etc/systemd/system");
    for name in MASKED {
        remove_if_present(&units.join(name))?;
        symlink("/dev/null", units.join(name))?;
    }
    let generators = root.join("etc/systemd/system-generators");
    fs::create_dir_all(&generators)?;
    for name in GENERATORS_MASKED {
        symlink("/dev/null", generators.join(name))?;
    }
    let journald = root.join("etc/systemd/journald.conf.d");
    fs::create_dir_all(&journald)?;
    fs::write(journald.join("10-lab.conf"), JOURNALD)?;
    // Without these marks every boot of every host would run ldconfig and rebuild catalogs and users.
    for path in ["etc/.updated", "var/.updated"] {
        fs::write(root.join(path), "")?;
    }
    Ok(())
}

fn remove_if_present(path: &Path) -> Result<(), std::io::Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_all_that_decides_the_content_and_on_nothing_else() {
        let plain = RootfsSpec::plain();
        let sudo = RootfsSpec { extra_packages: vec!["sudo".to_owned()], ..RootfsSpec::plain() };
        let mirror = RootfsSpec { mirror: Some("http://m.invalid".to_owned()), ..RootfsSpec::plain() };
        let doubled = RootfsSpec { extra_packages: vec!["sudo".to_owned(), "dbus".to_owned(), "sudo".to_owned()], ..RootfsSpec::plain() };
        assert_ne!(plain.key(), sudo.key());
        assert_eq!(plain.key(), mirror.key());
        assert_eq!(sudo.key(), doubled.key());
        let older = RootfsSpec { suite: Suite::Bookworm, ..RootfsSpec::plain() };
        assert!(plain.key().starts_with("trixie-") && older.key().starts_with("bookworm-"));
        assert_ne!(plain.key().strip_prefix("trixie-"), older.key().strip_prefix("bookworm-"));
        assert_ne!(RootfsSpec { machine: false, ..RootfsSpec::machine() }.key(), RootfsSpec::machine().key());
    }

    /// Another key for the same content would have every machine build what it has.
    #[test]
    fn keys_that_machines_have_in_their_caches_stay() {
        let sudo = RootfsSpec { extra_packages: vec!["sudo".to_owned()], ..RootfsSpec::plain() };
        let older = RootfsSpec { suite: Suite::Bookworm, ..RootfsSpec::plain() };
        assert_eq!(RootfsSpec::plain().key(), "trixie-f53cdbce727f");
        assert_eq!(sudo.key(), "trixie-689a24d3991f");
        assert_eq!(older.key(), "bookworm-9b744969c6d9");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(RootfsSpec::machine().key(), "trixie-a676de7a9cac");
    }
}
