//! What a change that was cut off leaves beside its place: the new file that was never put there.

use barque_plan::Resource;
use fs_err as fs;

use crate::context::HostContext;
use crate::hosts_line::HOSTS;

/// Removes files beside `resource` that an agent which is gone had begun to write. To be called before anything is written there: after a
/// restart of the host a process may have the number of the former one, and its first file the same name.
pub fn remove_temporaries(context: &HostContext, resource: &Resource) {
    let path = match resource {
        Resource::File(file) => file.path.as_str(),
        Resource::Binary(binary) => binary.path.as_str(),
        Resource::HostsLine(_) => HOSTS,
        Resource::Directory(_)
        | Resource::Unit(_)
        | Resource::User(_)
        | Resource::Sysctl(_)
        | Resource::Package(_)
        | Resource::Image(_) => return,
    };
    let place = context.path(path);
    let (Some(folder), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|found| is_temporary_of(found, name)) {
            let _gone_already = fs::remove_file(entry.path());
        }
    }
}

/// Whether `found` is a name that [`HostContext::temporary_name`] gives beside `name`.
fn is_temporary_of(found: &str, name: &str) -> bool {
    let numbers = found.strip_prefix('.').and_then(|rest| rest.strip_prefix(name)).and_then(|rest| rest.strip_prefix(".barque-"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.and_then(|numbers| numbers.split_once('-')).is_some_and(|(process, number)| digits(process) && digits(number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Digest, Owner};
    use barque_plan::{Binary, Blob, File};

    use super::*;

    #[test]
    fn only_what_was_begun_for_this_file_goes() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        fs::create_dir_all(context.path("/etc")).unwrap();
        for name in ["peer.key", ".peer.key.barque-111-64", ".peer.crt.barque-111-65", ".peer.key.barque-x-1", ".peer.key.swp"] {
            fs::write(context.path(&format!("/etc/{name}")), "x").unwrap();
        }
        let own = context.temporary_name(&context.path("/etc/peer.key"));
        assert!(is_temporary_of(own.file_name().unwrap().to_str().unwrap(), "peer.key"));
        let file = File { path: "/etc/peer.key".into(), digest: Digest::of(b"x"), mode: 0o600, owner: Owner::root(), sensitive: true };
        remove_temporaries(&context, &Resource::File(file));
        let mut left: Vec<String> =
            fs::read_dir(context.path("/etc")).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, [".peer.crt.barque-111-65", ".peer.key.barque-x-1", ".peer.key.swp", "peer.key"]);
        let blob = Blob { digest: Digest::of(b"x"), size: 1 };
        // A folder that is not there is nothing to clean.
        remove_temporaries(&context, &Resource::Binary(Binary { path: "/opt/none/x".into(), version: "1".into(), blob }));
    }
}
