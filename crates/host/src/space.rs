//! Free space of file systems.

use std::path::{Path, PathBuf};

use barque_plan::DiskSpace;

use crate::context::HostContext;

/// Free space for `path`, or for the nearest parent of it that exists. All zero when it cannot be told.
pub fn disk_space(context: &HostContext, path: &str) -> DiskSpace {
    let existing = nearest(context, path);
    let free_bytes = rustix::fs::statvfs(&existing).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    DiskSpace { path: path.to_owned(), mount: mount_point(&existing), free_bytes }
}

/// `path`, or the nearest parent of it that exists.
pub(crate) fn nearest(context: &HostContext, path: &str) -> PathBuf {
    let mut existing = context.path(path);
    while !existing.exists() {
        if !existing.pop() {
            break;
        }
    }
    existing
}

/// The mount point of the file system that `path` is on.
pub(crate) fn mount_point(path: &Path) -> String {
    let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let table = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    mounts
        .filter(|mount| path.starts_with(mount))
        .max_by_key(|mount| mount.as_os_str().len())
        .unwrap_or_else(|| "/".into())
        .display()
        .to_string()
}

/// Spaces and the like are octal escapes in mountinfo (proc_pid_mountinfo(5)).
fn unescape(field: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (from, to)| text.replace(from, to))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_nearest_parent() {
        let space = disk_space(&HostContext::new("/"), "/proc/none/such/path");
        assert_eq!(space.mount, "/proc");
        assert!(disk_space(&HostContext::new("/"), "/tmp/none/such").free_bytes > 0);
    }
}
