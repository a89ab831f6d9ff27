//! dpkg: whether it is at work, and whether it was interrupted.

use barque_check::PackageManager;
use fs_err as fs;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::processes::process;
use super::read::{exists, names, text};
use crate::context::HostContext;

const FOLDER: &str = "/var/lib/dpkg";
/// Locks of front ends and of dpkg itself.
const LOCKS: [&str; 2] = ["lock-frontend", "lock"];
/// States in which a package is neither installed nor absent (dpkg(1)); pending triggers do no harm.
const UNFINISHED: [&str; 3] = ["half-installed", "unpacked", "half-configured"];

/// `None` on a host without dpkg.
pub(super) fn package_manager(context: &HostContext) -> Option<PackageManager> {
    if !exists(context, &format!("{FOLDER}/status")) {
        return None;
    }
    let holder = LOCKS.iter().find_map(|lock| lock_holder(context, &format!("{FOLDER}/{lock}")));
    let mut unfinished = unfinished(&text(context, &format!("{FOLDER}/status")));
    // dpkg's journal: numbered files, which it works off before it does anything else.
    if names(context, &format!("{FOLDER}/updates")).iter().any(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        unfinished.push("updates".into());
    }
    Some(PackageManager { lock_holder: holder.and_then(|pid| process(context, pid)), unfinished })
}

/// Who has locked the file. Asking takes no lock.
fn lock_holder(context: &HostContext, path: &str) -> Option<u32> {
    let file = fs::File::open(context.path(path)).ok()?;
    let found = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    u32::try_from(found.pid?.as_raw_nonzero().get()).ok()
}

fn unfinished(status: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut package = "";
    for line in status.lines() {
        if let Some(name) = line.strip_prefix("Package: ") {
            package = name;
        } else if let Some(words) = line.strip_prefix("Status: ")
            && words.split(' ').nth(2).is_some_and(|state| UNFINISHED.contains(&state))
        {
            found.push(package.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn packages_that_are_half_done_are_named() {
        let status = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok half-configured\n\nPackage: c\nStatus: deinstall ok config-files\n";
        assert_eq!(unfinished(status), ["b"]);
    }

    #[test]
    fn a_host_without_dpkg_has_none() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        assert_eq!(package_manager(&context), None);
        fs::create_dir_all(root.path().join("var/lib/dpkg/updates")).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), "").unwrap();
        fs::write(root.path().join("var/lib/dpkg/lock"), "").unwrap();
        assert_eq!(package_manager(&context), Some(PackageManager::default()));
        fs::write(root.path().join("var/lib/dpkg/updates/0001"), "").unwrap();
        assert_eq!(package_manager(&context).unwrap().unfinished, ["updates"]);
    }
}
