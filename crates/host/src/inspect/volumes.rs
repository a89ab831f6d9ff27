//! File systems under paths.

use barque_check::Volume;
use rustix::fs::StatVfsMountFlags;

use crate::context::HostContext;
use crate::space::{mount_point, nearest};

/// The file system of each path, or of its nearest parent that exists.
pub(super) fn volumes(context: &HostContext, paths: &[String]) -> Vec<Volume> {
    paths.iter().filter_map(|path| volume(context, path)).collect()
}

fn volume(context: &HostContext, path: &str) -> Option<Volume> {
    let existing = nearest(context, path);
    let stat = rustix::fs::statvfs(&existing).ok()?;
    Some(Volume {
        path: path.to_owned(),
        mount: mount_point(&existing),
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        free_inodes: stat.f_favail,
        inodes: stat.f_files,
        read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
        no_exec: stat.f_flag.contains(StatVfsMountFlags::NOEXEC),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_that_of_its_parent() {
        let paths = ["/proc/none/such".to_owned(), "/tmp".to_owned()];
        let found = volumes(&HostContext::new("/"), &paths);
        assert_eq!((found[0].path.as_str(), found[0].mount.as_str()), ("/proc/none/such", "/proc"));
        assert!(found[1].free_bytes > 0 && !found[1].read_only);
    }
}
