//! Mounts below a path.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::HostError;

const TABLE: &str = "/proc/self/mountinfo";

/// Unmounts everything below `prefix`, the deepest first, but not what is mounted at it: a person may have given it a file system of its
/// own. Lazily: a process that still looks at one keeps it, without a name.
pub(super) fn unmount_below(prefix: &str) -> Result<(), HostError> {
    // The kernel lists places as they are, without links.
    let real = fs::canonicalize(prefix).unwrap_or_else(|_| prefix.into());
    unmount(|point| point != real && point.starts_with(&real))
}

/// Unmounts everything that is mounted at one of `places`.
pub(super) fn unmount_at(places: &[PathBuf]) -> Result<(), HostError> {
    unmount(|point| places.iter().any(|place| place == point))
}

fn unmount(goes: impl Fn(&Path) -> bool) -> Result<(), HostError> {
    let mut points = mount_points()?;
    points.retain(|point| goes(point));
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    for point in points {
        match rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW) {
            // Another one may have taken it along.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(HostError::io("unmount", &point, io::Error::from(error))),
        }
    }
    Ok(())
}

/// Whether something is mounted at a place.
pub(crate) fn is_mount_point(place: &Path) -> bool {
    let Ok(real) = fs::canonicalize(place) else { return false };
    mount_points().is_ok_and(|points| points.contains(&real))
}

/// Where something is mounted; twice, where two things are.
fn mount_points() -> Result<Vec<PathBuf>, HostError> {
    Ok(fs::read_to_string(TABLE)?.lines().filter_map(mount_point).collect())
}

/// The fifth field of a line of mountinfo, with its octal escapes undone (proc_pid_mountinfo(5)).
fn mount_point(line: &str) -> Option<PathBuf> {
    let field = line.split(' ').nth(4)?;
    Some(field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mount_point() {
        let line = r"36 35 98:0 /mnt1 /var/lib/kubelet/a\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some("/var/lib/kubelet/a b".into()));
        assert_eq!(mount_point("36 35"), None);
        assert!(is_mount_point(Path::new("/proc")) && !is_mount_point(Path::new("/proc/sys/kernel")));
    }
}
