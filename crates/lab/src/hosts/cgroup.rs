//! A control group of its own for every host, on machines with cgroup v1 (also hybrid) and v2.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::process;

/// How long freezing or emptying a group may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where groups can be made on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// cgroup v1: the caller's own group in each hierarchy (on hybrid machines also in v2's), by controller names.
    V1(Vec<(String, PathBuf)>),
    /// cgroup v2: the mount point of the one hierarchy.
    V2(PathBuf),
}

/// The groups of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Groups {
    /// One folder in each v1 hierarchy; the freezer's is named again.
    V1 {
        /// All folders.
        folders: Vec<PathBuf>,
        /// The one whose members are all processes of the host, and which can be frozen.
        freezer: PathBuf,
    },
    /// One folder.
    V2 {
        /// The folder.
        folder: PathBuf,
    },
}

/// The groups of a process by hierarchy, from /proc/PID/cgroup: controllers (empty for v2) and path.
fn parse_membership(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            Some((controllers.to_owned(), path.to_owned()))
        })
        .collect()
}

struct Mount {
    root: String,
    point: String,
    kind: String,
    options: Vec<String>,
}

/// The mounts of cgroup file systems, from /proc/self/mountinfo.
fn parse_mounts(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let left: Vec<&str> = left.split(' ').collect();
            let mut right = right.split(' ');
            let kind = right.next()?;
            let options = right.nth(1)?.split(',').map(str::to_owned).collect();
            let mount = Mount { root: (*left.get(3)?).to_owned(), point: (*left.get(4)?).to_owned(), kind: kind.to_owned(), options };
            kind.starts_with("cgroup").then_some(mount)
        })
        .collect()
}

/// The folder of the group `path` below a mount that shows the hierarchy from `root` on.
fn folder(mount: &Mount, path: &str) -> Option<PathBuf> {
    let inside = if mount.root == "/" { path } else { path.strip_prefix(mount.root.as_str())? };
    Some(Path::new(&mount.point).join(inside.trim_start_matches('/')))
}

/// The folder of each group in a membership; the one of v2 has no controllers in its name.
fn folders(membership: &str, mounts: &[Mount]) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for (controllers, path) in parse_membership(membership) {
        let first = controllers.split(',').next().unwrap_or_default();
        let mount = mounts.iter().find(|mount| match first {
            "" => mount.kind == "cgroup2",
            first => mount.kind == "cgroup" && mount.options.iter().any(|option| option == first),
        });
        if let Some(folder) = mount.and_then(|mount| folder(mount, &path)) {
            found.push((controllers, folder));
        }
    }
    found
}

fn layout(membership: &str, mountinfo: &str) -> Option<Layout> {
    let mounts = parse_mounts(mountinfo);
    let folders = folders(membership, &mounts);
    // Hybrid machines mount v2 too, but without controllers: there v1 rules. The group in v2 is needed all the same,
    // because nspawn derives the host's place in systemd's own hierarchy from it.
    if folders.iter().any(|(controllers, _)| controllers == "freezer") {
        return Some(Layout::V1(folders));
    }
    mounts.iter().find(|mount| mount.kind == "cgroup2").map(|mount| Layout::V2(PathBuf::from(&mount.point)))
}

impl Layout {
    /// What this machine has; `None` if no cgroup file system is mounted.
    pub(crate) fn detect() -> std::io::Result<Option<Self>> {
        Ok(layout(&fs::read_to_string("/proc/self/cgroup")?, &fs::read_to_string("/proc/self/mountinfo")?))
    }

    /// The groups named `name`, made if they are absent.
    pub(crate) fn create(&self, name: &str) -> std::io::Result<Groups> {
        match self {
            Self::V1(hierarchies) => {
                let mut folders = Vec::new();
                let mut freezer = PathBuf::new();
                for (controllers, parent) in hierarchies {
                    let folder = parent.join(name);
                    fs::create_dir_all(&folder)?;
                    for controller in controllers.split(',') {
                        match controller {
                            // An empty cpuset takes no process.
                            "cpuset" => copy_cpuset(parent, &folder)?,
                            "freezer" => freezer.clone_from(&folder),
                            _ => {}
                        }
                    }
                    folders.push(folder);
                }
                Ok(Groups::V1 { folders, freezer })
            }
            Self::V2(mount) => {
                let folder = mount.join(name);
                fs::create_dir_all(&folder)?;
                for controller in ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"] {
                    // One that the machine lacks must not keep the others away.
                    let _ = fs::write(mount.join("cgroup.subtree_control"), format!("+{controller}"));
                }
                Ok(Groups::V2 { folder })
            }
        }
    }
}

fn copy_cpuset(parent: &Path, folder: &Path) -> std::io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        fs::write(folder.join(file), fs::read_to_string(parent.join(file))?)?;
    }
    Ok(())
}

impl Groups {
    /// The files that a shell writes its pid to, to become a member.
    pub(crate) fn entrances(&self) -> Vec<PathBuf> {
        match self {
            Self::V1 { folders, .. } => folders.iter().map(|folder| folder.join("cgroup.procs")).collect(),
            Self::V2 { folder } => vec![folder.join("cgroup.procs")],
        }
    }

    /// The folder whose subtree holds every process of the host.
    fn main(&self) -> &Path {
        match self {
            Self::V1 { freezer, .. } => freezer,
            Self::V2 { folder } => folder,
        }
    }

    /// Whether the host is frozen.
    pub(crate) fn is_frozen(&self) -> bool {
        let (file, wanted) = match self {
            Self::V1 { freezer, .. } => (freezer.join("freezer.state"), "FROZEN"),
            Self::V2 { folder } => (folder.join("cgroup.events"), "frozen 1"),
        };
        fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.trim() == wanted))
    }

    /// Freezes or thaws every process of the host and waits until it is so.
    pub(crate) fn set_frozen(&self, frozen: bool) -> std::io::Result<()> {
        let (file, value) = match self {
            Self::V1 { freezer, .. } => (freezer.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" }),
            Self::V2 { folder } => (folder.join("cgroup.freeze"), if frozen { "1" } else { "0" }),
        };
        let begun = Instant::now();
        loop {
            // v1 can stay at FREEZING while processes fork; writing again makes it go on.
            fs::write(&file, value)?;
            if self.is_frozen() == frozen {
                return Ok(());
            }
            if begun.elapsed() > LIMIT {
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the group did not change its state in 10 s"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills every member, waits until none is left and removes the groups.
    pub(crate) fn destroy(&self) -> std::io::Result<()> {
        let begun = Instant::now();
        while self.main().is_dir() {
            let members = members(self.main());
            if members.is_empty() {
                break;
            }
            for pid in members {
                process::kill(pid);
            }
            // A frozen process dies only after it is thawed.
            self.set_frozen(false)?;
            if begun.elapsed() > LIMIT {
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "processes of the host did not end in 10 s"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let folders: Vec<&PathBuf> = match self {
            Self::V1 { folders, .. } => folders.iter().collect(),
            Self::V2 { folder } => vec![folder],
        };
        for folder in folders {
            remove(folder, begun)?;
        }
        Ok(())
    }
}

/// The files that make a shell a neighbour of a process in every hierarchy, wherever below the host's groups that is.
pub(crate) fn entrances_beside(pid: u32) -> std::io::Result<Vec<PathBuf>> {
    let membership = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let mounts = parse_mounts(&fs::read_to_string("/proc/self/mountinfo")?);
    Ok(folders(&membership, &mounts).into_iter().map(|(_, folder)| folder.join("cgroup.procs")).collect())
}

/// The processes in a group and all below it.
fn members(folder: &Path) -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_to_string(folder.join("cgroup.procs"))
        .map(|text| text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect())
        .unwrap_or_default();
    for child in children(folder) {
        pids.extend(members(&child));
    }
    pids
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes a group and all below it; the kernel may need a moment after the last member's end.
fn remove(folder: &Path, begun: Instant) -> std::io::Result<()> {
    for child in children(folder) {
        remove(&child, begun)?;
    }
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if begun.elapsed() > LIMIT => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HYBRID_MEMBERSHIP: &str = "9:name=systemd:/\n5:freezer:/\n4:memory:/session/a:b\n2:cpu,cpuacct:/user\n0::/\n";
    const HYBRID_MOUNTS: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        1 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n\
        2 31 0:32 /session /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        3 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
        4 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
        5 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn hybrid_uses_the_callers_group_in_each_hierarchy() {
        let expected = [
            ("name=systemd", "/sys/fs/cgroup/systemd"),
            ("freezer", "/sys/fs/cgroup/freezer"),
            ("memory", "/sys/fs/cgroup/memory/a:b"),
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/user"),
            ("", "/sys/fs/cgroup/unified"),
        ];
        let Some(Layout::V1(found)) = layout(HYBRID_MEMBERSHIP, HYBRID_MOUNTS) else { panic!("not v1") };
        let found: Vec<(&str, PathBuf)> = found.iter().map(|(name, path)| (name.as_str(), path.components().collect())).collect();
        assert_eq!(found, expected.map(|(name, path)| (name, PathBuf::from(path))));
    }

    #[test]
    fn v2_alone_is_seen_as_such() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(layout("0::/user.slice\n", mounts), Some(Layout::V2(PathBuf::from("/sys/fs/cgroup"))));
        assert_eq!(layout("0::/\n", "22 27 0:21 / /proc rw - proc proc rw\n"), None);
    }
}
