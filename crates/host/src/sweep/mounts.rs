//! Mounts below a path.

use std::io;

use crate::error::HostError;

/// Unmounts everything below `prefixes`, the deepest first; what is mounted at one of them is the operator's own file system. Lazily: a process that still looks at one keeps it, without a name.
pub(super) fn unmount_below(prefixes: &[&str]) -> Result<(), HostError> {
    let table = fs_err::read_to_string("/proc/self/mountinfo")?;
    let mut points: Vec<String> = table.lines().filter_map(mount_point).filter(|point| is_below(point, prefixes)).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.len()));
    for point in points {
        match rustix::mount::unmount(point.as_str(), rustix::mount::UnmountFlags::DETACH) {
            // Another one may have taken it along.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(HostError::io("unmount", std::path::Path::new(&point), io::Error::from(error))),
        }
    }
    Ok(())
}

fn is_below(point: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| point.strip_prefix(prefix).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')))
}

/// The fifth field of a line of mountinfo, with its octal escapes undone (proc_pid_mountinfo(5)).
fn mount_point(line: &str) -> Option<String> {
    let field = line.split(' ').nth(4)?;
    Some(field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mount_point() {
        let line = r"36 35 98:0 /mnt1 /var/lib/kubelet/a\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line).as_deref(), Some("/var/lib/kubelet/a b"));
        assert!(is_below("/var/lib/kubelet/x", &["/var/lib/kubelet"]));
        assert!(!is_below("/var/lib/kubelet2", &["/var/lib/kubelet"]) && !is_below("/var/lib/kubelet", &["/var/lib/kubelet"]));
    }
}
