//! Folders that components wrote.

use std::io;
use std::path::{Component as PathPart, Path};

use fs_err as fs;

use super::mounts::{is_mount_point, unmount_below};
use crate::context::HostContext;
use crate::error::HostError;
use crate::file::is_absent;
use crate::replace::sync_parent;

/// Folders that hold more than one component's things.
const SHARED: [&str; 22] = [
    "/etc/default",
    "/etc/kubernetes",
    "/etc/ssl",
    "/etc/systemd",
    "/run/lock",
    "/run/systemd",
    "/run/user",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var/cache",
    "/var/lib",
    "/var/lib/barque",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// Removes the trees, after what is mounted below them is unmounted. Links are removed, not followed. Nothing is removed when one of the
/// paths is not a component's.
pub(super) fn sweep(context: &HostContext, paths: &[String]) -> Result<Vec<String>, HostError> {
    if let Some(path) = paths.iter().find(|path| !is_components(path)) {
        return Err(HostError::Refused {
            message: format!("`{path}` is not removed: it is no folder of a component"),
            hint: "nothing was removed; look at the steps with `barque rollback --plan`; this is a defect of barque".to_owned(),
        });
    }
    let mut notes = Vec::new();
    for path in paths {
        notes.extend(remove(context, path)?);
    }
    Ok(notes)
}

fn remove(context: &HostContext, path: &str) -> Result<Option<String>, HostError> {
    let place = context.path(path);
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if metadata.is_symlink() {
        return Ok(Some(format!("{path} is a link that somebody made; it stays, and so does what it leads to")));
    }
    // Through links in the folders above, it may be elsewhere than it says.
    if context.is_real_root() && !is_components(&fs::canonicalize(&place)?.display().to_string()) {
        return Ok(Some(format!("{path} lies in a folder that others use, and stays")));
    }
    if !metadata.is_dir() {
        fs::remove_file(&place)?;
        sync_parent(&place)?;
        remove_empty_parents(&place)?;
        return Ok(None);
    }
    unmount_below(&place.display().to_string())?;
    if is_mount_point(&place) {
        empty(&place)?;
        return Ok(Some(format!("{path} is a file system of its own: it is empty now, and stays")));
    }
    remove_tree(&place)?;
    sync_parent(&place)?;
    Ok(None)
}

/// keepalived makes `/etc/iproute2/rt_addrprotos.d` and kubelet `/etc/systemd/logind.conf.d` where they are missing; nobody keeps them empty.
fn remove_empty_parents(place: &Path) -> Result<(), HostError> {
    let made = ["rt_addrprotos.d", "iproute2", "logind.conf.d"];
    for parent in place.ancestors().skip(1).take(2).take_while(|parent| made.iter().any(|name| parent.ends_with(name))) {
        if fs::remove_dir(parent).is_err() {
            break;
        }
        sync_parent(parent)?;
    }
    Ok(())
}

fn empty(place: &Path) -> Result<(), HostError> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if entry.file_name() == "lost+found" {
            continue;
        }
        if entry.file_type()?.is_dir() { remove_tree(&entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// What a dying process writes meanwhile makes it begin again.
fn remove_tree(place: &Path) -> Result<(), HostError> {
    for _ in 0..2 {
        match fs::remove_dir_all(place) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if is_absent(&error) => return Ok(()),
            other => return Ok(other?),
        }
    }
    Ok(fs::remove_dir_all(place)?)
}

/// Absolute, at least two folders deep, without a step back, and no folder that others use too.
fn is_components(path: &str) -> bool {
    let parts: Vec<PathPart<'_>> = Path::new(path).components().collect();
    let names = parts.iter().filter(|part| matches!(part, PathPart::Normal(_))).count();
    let known = SHARED.iter().any(|shared| Path::new(shared) == Path::new(path));
    path.starts_with('/') && names >= 2 && names + 1 == parts.len() && !known
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_folders_of_components() {
        for path in
            ["/", "/var", "/etc", "/etc/", "/var/lib", "/var/lib/", "//var//lib", "/var/lib/../..", "/run/../etc/x", "var/lib/x", ""]
        {
            assert!(!is_components(path), "{path}");
        }
        assert!(is_components("/var/lib/containerd") && is_components("/run/flannel"));
    }

    #[test]
    fn a_tree_goes_and_what_links_lead_to_stays() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        fs::create_dir_all(root.path().join("var/lib/x/y")).unwrap();
        fs::create_dir_all(root.path().join("kept/inside")).unwrap();
        fs::create_dir_all(root.path().join("run/z")).unwrap();
        fs::write(root.path().join("run/z/socket"), "").unwrap();
        symlink(root.path().join("kept"), root.path().join("var/lib/x/y/link")).unwrap();
        symlink(root.path().join("kept"), root.path().join("var/lib/linked")).unwrap();
        let paths = ["/var/lib/x", "/run/z/socket", "/var/lib/linked", "/var/lib/none/at/all"].map(str::to_owned);
        fs::create_dir_all(root.path().join("etc/iproute2/rt_addrprotos.d")).unwrap();
        fs::write(root.path().join("etc/iproute2/rt_addrprotos.d/keepalived.conf"), "").unwrap();
        sweep(&context, &["/etc/iproute2/rt_addrprotos.d/keepalived.conf".into()]).unwrap();
        fs::create_dir_all(root.path().join("etc/systemd/logind.conf.d")).unwrap();
        fs::write(root.path().join("etc/systemd/logind.conf.d/99-kubelet.conf"), "").unwrap();
        sweep(&context, &["/etc/systemd/logind.conf.d/99-kubelet.conf".into()]).unwrap();
        assert!(root.path().join("etc/systemd").exists() && !root.path().join("etc/systemd/logind.conf.d").exists());
        assert!(root.path().join("etc").exists() && !root.path().join("etc/iproute2").exists());
        for _ in 0..2 {
            let notes = sweep(&context, &paths).unwrap();
            assert_eq!(notes, ["/var/lib/linked is a link that somebody made; it stays, and so does what it leads to"]);
            assert!(!root.path().join("var/lib/x").exists() && !root.path().join("run/z/socket").exists());
            assert!(root.path().join("kept/inside").exists() && root.path().join("run/z").exists());
        }
    }

    #[test]
    fn one_wrong_path_and_nothing_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        fs::create_dir_all(root.path().join("var/lib/x")).unwrap();
        assert!(sweep(&context, &["/var/lib/x".into(), "/var/lib".into()]).is_err());
        assert!(root.path().join("var/lib/x").exists());
    }

    #[test]
    fn what_is_mounted_is_not_emptied() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        let (outside, inside) = (root.path().join("outside"), root.path().join("var/lib/x/pods/mount"));
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(&inside).unwrap();
        fs::write(outside.join("data"), "kept").unwrap();
        // Where the machine does not let tests mount, there is nothing to see.
        if rustix::mount::mount_bind(&outside, &inside).is_err() {
            return;
        }
        assert!(inside.join("data").exists());
        assert!(sweep(&context, &["/var/lib/x".into()]).unwrap().is_empty());
        assert!(!root.path().join("var/lib/x").exists());
        assert_eq!(fs::read_to_string(outside.join("data")).unwrap(), "kept");
        let own = root.path().join("var/lib/own");
        fs::create_dir_all(&own).unwrap();
        rustix::mount::mount_bind(&outside, &own).unwrap();
        let notes = sweep(&context, &["/var/lib/own".into()]).unwrap();
        rustix::mount::unmount(&own, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(notes, ["/var/lib/own is a file system of its own: it is empty now, and stays"]);
        assert!(own.exists() && !outside.join("data").exists());
    }
}
