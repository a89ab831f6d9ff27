//! A host's disks: an overlay over the shared root, real folders for what must not lie on an overlay, memory for small ones.

use std::ffi::CString;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::error::{Doing as _, LabError};
use super::state::HostRecord;
use super::tool;
use super::topology::{Host, OsRelease, User};

/// Container runtimes mount overlays here, which an overlay cannot carry; etcd wants the speed of the real disk.
const REAL_FOLDERS: [&str; 3] = ["/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd"];
/// In cgroup v1 nspawn leaves all hierarchies but systemd's read-only; a plain remount of them answers "busy".
const WRITABLE_CGROUPS: &str = "[Unit]\nDescription=Make the lab's control groups writable\nDefaultDependencies=no\nBefore=sysinit.target\n\n\
    [Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/bin/sh -c 'for group in /sys/fs/cgroup/*/; do mount -o remount,bind,rw \"$group\" || :; done'\n\n\
    [Install]\nWantedBy=sysinit.target\n";
const CGROUP_UNIT: &str = "lab-cgroups-writable.service";

/// The folders of one host.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folders of `host` in the lab at `directory`.
    pub(crate) fn new(directory: &Path, host: &str) -> Self {
        Self(directory.join("hosts").join(host))
    }

    /// Where the host's root is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// What the host wrote to its console.
    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    fn data(&self, path: &str) -> PathBuf {
        self.0.join("data").join(path.trim_matches('/').replace('/', "-"))
    }

    fn memory(&self, path: &str) -> PathBuf {
        self.0.join("memory").join(path.trim_matches('/').replace('/', "-"))
    }

    /// Folders of this machine and where the host sees them.
    pub(crate) fn binds(&self, host: &Host) -> Vec<(PathBuf, String)> {
        let in_memory = |path: &str| host.tmpfs.iter().any(|tmpfs| tmpfs.path == path);
        let real = REAL_FOLDERS.iter().filter(|path| !in_memory(path)).map(|path| (self.data(path), (*path).to_owned()));
        let memory = host.tmpfs.iter().map(|tmpfs| (self.memory(&tmpfs.path), tmpfs.path.clone()));
        real.chain(memory).collect()
    }

    /// Mounts what is not mounted yet; after a reboot of the machine, all of it.
    pub(crate) fn mount(&self, host: &Host, rootfs: &Path) -> Result<(), LabError> {
        let mounted = mounts_below(&self.0)?;
        let [upper, work, root] = ["upper", "work", "root"].map(|name| self.0.join(name));
        for folder in [&upper, &work, &root] {
            make_folder(folder, 0o755)?;
        }
        for path in REAL_FOLDERS {
            make_folder(&self.data(path), 0o755)?;
        }
        if !mounted.contains(&root) {
            let options = format!("lowerdir={},upperdir={},workdir={}", rootfs.display(), upper.display(), work.display());
            do_mount("overlay", &root, &options)?;
        }
        for tmpfs in &host.tmpfs {
            let folder = self.memory(&tmpfs.path);
            make_folder(&folder, 0o755)?;
            if !mounted.contains(&folder) {
                do_mount("tmpfs", &folder, &format!("size={},mode=0755", tmpfs.size))?;
            }
        }
        Ok(())
    }

    /// Gives a new host its identity: name, keys, users. The root must be mounted. Returns the public host key.
    pub(crate) fn seed(&self, host: &Host, record: &HostRecord, operator_key: &str, cgroup_v1: bool) -> Result<String, LabError> {
        let root = self.root();
        let name = host.name.as_str();
        write(&root, "etc/hostname", &format!("{name}\n"), 0o644)?;
        write(&root, "etc/machine-id", &format!("{}\n", machine_id()?), 0o444)?;
        let own = if host.hostname_resolvable { format!("{} {name}\n", record.address) } else { String::new() };
        write(&root, "etc/hosts", &format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{own}"), 0o644)?;
        let login = if host.no_root_login { "no" } else { "prohibit-password" };
        write(&root, "etc/ssh/sshd_config.d/10-lab.conf", &format!("PermitRootLogin {login}\n"), 0o600)?;
        let mut keys = operator_key.trim().to_owned();
        for key in &host.authorized_keys {
            keys.push('\n');
            keys.push_str(key.trim());
        }
        keys.push('\n');
        if !host.no_root_login {
            authorize(&root, "root", &keys)?;
        }
        if let Some(user) = &host.user {
            add_user(&root, user, &keys)?;
        }
        if let Some(release) = &host.os_release {
            rename_system(&root, release)?;
        }
        if cgroup_v1 {
            let unit = format!("etc/systemd/system/{CGROUP_UNIT}");
            write(&root, &unit, WRITABLE_CGROUPS, 0o644)?;
            let wants = root.join("etc/systemd/system/sysinit.target.wants");
            make_folder(&wants, 0o755)?;
            std::os::unix::fs::symlink(format!("/{unit}"), wants.join(CGROUP_UNIT)).doing(|| format!("enable `{CGROUP_UNIT}`"))?;
        }
        let key = root.join("etc/ssh/ssh_host_ed25519_key");
        make_key(&key, &format!("root@{name}"))?;
        let public = read(&key.with_extension("pub"))?;
        Ok(public.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    }
}

/// Makes an ed25519 key pair without a passphrase.
pub(crate) fn make_key(path: &Path, comment: &str) -> Result<(), LabError> {
    let fixed = ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"].map(std::ffi::OsString::from);
    tool::run("ssh-keygen", fixed.into_iter().chain([path.as_os_str().to_owned()]))?;
    Ok(())
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, LabError> {
    fs::read_to_string(path).doing(|| format!("read `{}`", path.display()))
}

/// Makes a folder and those above it, with `mode` for those that are new.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), LabError> {
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).doing(|| format!("make folder `{}`", path.display()))
}

/// Unmounts all that is mounted below a folder, the innermost first.
pub(crate) fn unmount_below(folder: &Path) -> Result<(), LabError> {
    for path in mounts_below(folder)?.iter().rev() {
        let mut result = Ok(());
        for _ in 0..20 {
            result = unmount(path, UnmountFlags::empty());
            if result != Err(rustix::io::Errno::BUSY) {
                break;
            }
            // Namespaces of a host that just ended are taken apart in the background.
            std::thread::sleep(Duration::from_millis(10));
        }
        if result.is_err() {
            result = unmount(path, UnmountFlags::DETACH);
        }
        result.map_err(std::io::Error::from).doing(|| format!("unmount `{}`", path.display()))?;
    }
    Ok(())
}

/// The mount points below a folder, in the order of mounting.
fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let text = read(Path::new("/proc/self/mountinfo"))?;
    let points = text.lines().filter_map(|line| Some(PathBuf::from(line.split(' ').nth(4)?)));
    Ok(points.filter(|point| point.starts_with(&folder) && *point != folder).collect())
}

fn do_mount(kind: &str, target: &Path, options: &str) -> Result<(), LabError> {
    let action = || format!("mount {kind} on `{}`", target.display());
    let options = CString::new(options).map_err(std::io::Error::from).doing(action)?;
    mount(kind, target, kind, MountFlags::empty(), options.as_c_str()).map_err(std::io::Error::from).doing(action)
}

/// Replaces a file (also a link) below the host's root; its mode holds from the start.
fn write(root: &Path, path: &str, text: &str, mode: u32) -> Result<(), LabError> {
    let path = root.join(path);
    let action = || -> std::io::Result<()> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(text.as_bytes())?;
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
    };
    action().doing(|| format!("write `{}`", path.display()))
}

fn machine_id() -> Result<String, LabError> {
    Ok(read(Path::new("/proc/sys/kernel/random/uuid"))?.trim().replace('-', ""))
}

/// The entry of a user in the host's passwd file: uid, gid and home.
fn account(root: &Path, user: &str) -> Result<(u32, u32, String), LabError> {
    let passwd = read(&root.join("etc/passwd"))?;
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&user))
            .then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?, (*fields.get(5)?).to_owned())))?
    });
    found.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound)).doing(|| format!("find user `{user}` in the host's passwd"))
}

fn authorize(root: &Path, user: &str, keys: &str) -> Result<(), LabError> {
    let (uid, gid, home) = account(root, user)?;
    let relative = format!("{}/.ssh", home.trim_start_matches('/'));
    make_folder(&root.join(&relative), 0o700)?;
    let file = format!("{relative}/authorized_keys");
    write(root, &file, keys, 0o600)?;
    for path in [&relative, &file] {
        std::os::unix::fs::chown(root.join(path), Some(uid), Some(gid)).doing(|| format!("give `/{path}` to `{user}`"))?;
    }
    Ok(())
}

fn add_user(root: &Path, user: &User, keys: &str) -> Result<(), LabError> {
    let inside = |command: &[&str], input: &str| {
        let arguments = std::iter::once(root.as_os_str()).chain(command.iter().map(std::ffi::OsStr::new));
        tool::run_with_input("chroot", arguments, input.as_bytes())
    };
    inside(&["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", &user.name], "")?;
    // On standard input: a password never is an argument.
    inside(&["chpasswd"], &format!("{}:{}\n", user.name, user.password.expose()))?;
    authorize(root, &user.name, keys)
}

fn rename_system(root: &Path, release: &OsRelease) -> Result<(), LabError> {
    let text = read(&root.join("usr/lib/os-release"))?;
    write(root, "etc/os-release", &renamed(&text, release), 0o644)
}

fn renamed(text: &str, release: &OsRelease) -> String {
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with("ID=") && !line.starts_with("VERSION_ID=")).map(str::to_owned).collect();
    lines.push(format!("ID=\"{}\"", release.id));
    lines.push(format!("VERSION_ID=\"{}\"", release.version_id));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hosts::topology::Tmpfs;

    #[test]
    fn another_system_replaces_only_its_two_fields() {
        let release = OsRelease { id: "alpine".to_owned(), version_id: "3.20".to_owned() };
        let text = renamed("PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n", &release);
        assert_eq!(text, "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=trixie\nID=\"alpine\"\nVERSION_ID=\"3.20\"\n");
    }

    #[test]
    fn memory_takes_the_place_of_a_real_folder() {
        let mut host = Host::plain("m1".parse().unwrap());
        host.tmpfs.push(Tmpfs { path: "/var/lib/etcd".to_owned(), size: "1M".to_owned() });
        let binds = Home::new(Path::new("/labs/demo"), "m1").binds(&host);
        let etcd: Vec<_> = binds.iter().filter(|(_, inside)| inside == "/var/lib/etcd").collect();
        assert_eq!(etcd, [&(PathBuf::from("/labs/demo/hosts/m1/memory/var-lib-etcd"), "/var/lib/etcd".to_owned())]);
        assert_eq!(binds.len(), 3);
    }
}
