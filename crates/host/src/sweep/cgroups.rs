//! Control groups of pods, which kubelet makes and does not remove when it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::command::Command;

/// Where control groups lie.
const ROOT: &str = "/sys/fs/cgroup";
/// kubelet's top group under systemd, and without it.
const SLICE: &str = "kubepods.slice";
const GROUP: &str = "kubepods";
/// Stopping a slice ends what is in it; killed processes are gone within it.
const ENDING: Duration = Duration::from_secs(30);

/// Ends what is left in the pods' groups and removes them. Answers with notes.
pub(super) async fn remove() -> Vec<String> {
    let root = Path::new(ROOT);
    for name in [SLICE, GROUP] {
        // The surest way: no process escapes by forking (cgroups(7), Linux 5.14).
        let _older_kernel_or_not_there = fs::write(root.join(name).join("cgroup.kill"), "1");
    }
    // systemd made it, at kubelet's request, and forgets it with all that is below. Where there is none, it says so.
    let _what_is_left_is_removed_below = Command::new("systemctl", ["stop", "--", SLICE]).timeout(ENDING).run().await;
    let deadline = Instant::now() + ENDING;
    loop {
        let stays = |name: &&str| hierarchies(root).iter().any(|hierarchy| remove_tree(&hierarchy.join(name)).is_err());
        let left: Vec<&str> = [SLICE, GROUP].into_iter().filter(stays).collect();
        if left.is_empty() {
            return Vec::new();
        }
        if Instant::now() >= deadline {
            return left.iter().map(|name| format!("the control group {name} could not be removed; it is gone after a reboot")).collect();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The one of version 2, or those of version 1: one folder for each set of controllers, and some are links to others.
fn hierarchies(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    std::iter::once(root.to_owned()).chain(folders.map(|entry| entry.path())).collect()
}

/// Removes a group and those below it, the deepest first. One with processes stays, and is the error.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // The files of a group go with it.
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn empty_groups_go_and_others_are_told() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join(SLICE);
        fs::create_dir_all(group.join("kubepods-burstable.slice/pod1")).unwrap();
        fs::create_dir_all(group.join("pod2")).unwrap();
        remove_tree(&group).unwrap();
        assert!(!group.exists());
        remove_tree(&group).unwrap();
        fs::create_dir_all(group.join("pod3")).unwrap();
        // In a folder of a test a file keeps it as a process would.
        fs::write(group.join("pod3/process"), "").unwrap();
        assert!(remove_tree(&group).is_err());
    }
}
