//! Interfaces, namespaces and packet-filter rules of the pod network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::mounts::{is_mount_point, unmount_at};
use super::{filters, routes};
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::file::is_absent;

/// Each of these programs answers at once, or waits for a lock of the packet filter.
pub(super) const CALL: Duration = Duration::from_secs(20);
/// Made by the bridge plugin, by flannel (vxlan) and by kube-proxy's older modes. Pods' own interfaces go with their namespaces.
const LINKS: [&str; 4] = ["cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0"];
/// Where the CNI plugins and `ip netns` name network namespaces, and how the former's names begin.
const NAMESPACES: &str = "/run/netns";
const POD: &str = "cni-";

/// Removes them with the programs that the host has; what remains for lack of one is a note, and gone after a reboot.
pub(super) async fn sweep(context: &HostContext) -> Result<Vec<String>, HostError> {
    if !context.is_real_root() {
        return Ok(Vec::new());
    }
    unmount_namespaces()?;
    remove_namespaces()?;
    let mut notes = Vec::new();
    // The kernel takes a namespace apart when it finds the time, and its end of a pair with it: they are removed by name.
    let mut links = pod_links().await;
    links.extend(LINKS.map(str::to_owned));
    for link in links.into_iter().filter(|link| is_there(link)) {
        let removed = Command::new("ip", ["link", "delete", link.as_str()]).timeout(CALL).run().await;
        if removed.is_err() && is_there(&link) {
            notes.push(format!("the interface {link} could not be removed; it is gone after a reboot"));
        }
    }
    notes.extend(routes::remove(context).await);
    notes.extend(filters::remove(context).await);
    Ok(notes)
}

/// The hosts' ends of the pods' interfaces: ports of the bridge.
async fn pod_links() -> Vec<String> {
    let listed = Command::new("ip", ["-o", "link", "show", "master", "cni0"]).timeout(CALL).run().await;
    listed.map_or_else(|_| Vec::new(), |output| output.stdout.lines().filter_map(link_name).map(str::to_owned).collect())
}

/// `5: veth1a2b@if2: <BROADCAST,…` (ip-link(8), `-oneline`).
fn link_name(line: &str) -> Option<&str> {
    let name = line.split_whitespace().nth(1)?.trim_end_matches(':');
    Some(name.split_once('@').map_or(name, |(name, _)| name))
}

/// Whether an interface is there.
fn is_there(link: &str) -> bool {
    nix::net::if_::if_nametoindex(link).is_ok()
}

/// Unmounts the pods' network namespaces; those with other names are not barque's.
pub(super) fn unmount_namespaces() -> Result<(), HostError> {
    unmount_at(&pod_namespaces()?)
}

fn pod_namespaces() -> Result<Vec<PathBuf>, HostError> {
    let entries = match fs::read_dir(NAMESPACES) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut places = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(POD) {
            places.push(entry.path());
        }
    }
    Ok(places)
}

/// Removes the names, and the folder when it is empty: the plugins make and mount it, and so does `ip netns` when it needs it again.
fn remove_namespaces() -> Result<(), HostError> {
    for place in pod_namespaces()? {
        match fs::remove_file(&place) {
            Err(error) if !is_absent(&error) => return Err(error.into()),
            _ => {}
        }
    }
    let folder = Path::new(NAMESPACES);
    if !fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(());
    }
    if is_mount_point(folder) {
        unmount_at(&[folder.to_owned()])?;
    }
    let _somebody_uses_it_again = fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_links() {
        assert_eq!(link_name("5: vetha333c5f0@if2: <BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue master cni0"), Some("vetha333c5f0"));
        assert_eq!(link_name("7: eth1: <BROADCAST> mtu 1500 master cni0"), Some("eth1"));
        assert_eq!(link_name(""), None);
    }
}
