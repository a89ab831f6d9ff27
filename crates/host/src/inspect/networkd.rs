//! What systemd-networkd reads.

use std::collections::BTreeMap;

use barque_check::{NetworkFile, Process};

use super::read::{names, text};
use crate::context::HostContext;

/// Folders of its files; of two with one name the one in the former counts (systemd.network(5)).
const FOLDERS: [&str; 4] = ["/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network"];
/// As the kernel names the process: the first 15 characters.
const PROCESS: &str = "systemd-network";

/// Its files in the order in which it asks them; none where it does not run.
pub(super) fn networkd(context: &HostContext, processes: &[Process]) -> Vec<NetworkFile> {
    if !processes.iter().any(|process| process.name == PROCESS) {
        return Vec::new();
    }
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        for name in names(context, folder).into_iter().filter(|name| name.ends_with(".network")) {
            paths.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
        }
    }
    paths.into_values().map(|path| NetworkFile { text: text(context, &path), path }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_in_order_and_the_first_folder_counts() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("usr/lib/systemd/network/80-b.network", "vendor"),
            ("etc/systemd/network/80-b.network", "own"),
            ("run/systemd/network/10-a.network", "netplan"),
            ("etc/systemd/network/10-a.netdev", "other"),
        ] {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let context = HostContext::new(root.path());
        let process = |name: &str| Process { name: name.into(), pid: 1, unit: None, pod: false };
        let found = networkd(&context, &[process("systemd-network")]);
        let found: Vec<(&str, &str)> = found.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        assert_eq!(found, [("/run/systemd/network/10-a.network", "netplan"), ("/etc/systemd/network/80-b.network", "own")]);
        assert_eq!(networkd(&context, &[process("NetworkManager")]), []);
    }
}
