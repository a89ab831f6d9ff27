//! Folders that components wrote.

use std::io;
use std::path::{Component as PathPart, Path};

use super::mounts::unmount_below;
use crate::context::HostContext;
use crate::error::HostError;

/// Removes the trees, after what is mounted below them is unmounted. Links are removed, not followed.
pub(super) fn sweep(context: &HostContext, paths: &[String]) -> Result<Vec<String>, HostError> {
    let mut notes = Vec::new();
    for path in paths {
        if !is_deep_enough(path) {
            return Err(HostError::Refused {
                message: format!("`{path}` is not removed: it is no folder of a component"),
                hint: "this is a defect of barque; nothing was removed".to_owned(),
            });
        }
        let place = context.path(path);
        if context.is_real_root() {
            unmount_below(&[path])?;
        }
        match std::fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(metadata) if metadata.is_file() => {
                fs_err::remove_file(&place)?;
                remove_empty_parents(&place);
            }
            Ok(metadata) if metadata.is_symlink() => notes.push(format!("{path} is a link that somebody made, and stays")),
            _ => match fs_err::remove_dir_all(&place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    notes.push(format!("{path} is a file system of its own, and stays"))
                }
                other => other?,
            },
        }
    }
    Ok(notes)
}

/// keepalived makes `/etc/iproute2/rt_addrprotos.d` where it is missing; nobody keeps it empty.
fn remove_empty_parents(place: &Path) {
    for parent in place.ancestors().skip(1).take(2).take_while(|parent| parent.ends_with("rt_addrprotos.d") || parent.ends_with("iproute2")) {
        let _not_empty = std::fs::remove_dir(parent);
    }
}

/// Absolute, at least two folders deep, and without a step back.
fn is_deep_enough(path: &str) -> bool {
    let parts: Vec<PathPart<'_>> = Path::new(path).components().collect();
    let names = parts.iter().filter(|part| matches!(part, PathPart::Normal(_))).count();
    path.starts_with('/')
        && names >= 2
        && names + 1 == parts.len()
        && !["/var/lib", "/etc/systemd", "/usr/local", "/usr/bin"].contains(&path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_folders_of_components() {
        for path in ["/", "/var", "/etc", "/var/lib", "/var/lib/../..", "var/lib/x", ""] {
            assert!(!is_deep_enough(path), "{path}");
        }
        assert!(is_deep_enough("/var/lib/containerd") && is_deep_enough("/run/flannel"));
    }

    #[test]
    fn a_tree_goes_and_what_links_lead_to_stays() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        std::fs::create_dir_all(root.path().join("var/lib/x/y")).unwrap();
        std::fs::create_dir_all(root.path().join("kept")).unwrap();
        std::os::unix::fs::symlink(root.path().join("kept"), root.path().join("var/lib/x/y/link")).unwrap();
        assert!(sweep(&context, &["/var/lib/x".into()]).unwrap().is_empty());
        assert!(!root.path().join("var/lib/x").exists() && root.path().join("kept").exists());
        sweep(&context, &["/var/lib/x".into()]).unwrap();
    }
}
