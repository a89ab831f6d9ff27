//! Interfaces, namespaces and packet-filter rules of the pod network.

use std::time::Duration;

use super::mounts::unmount_below;
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;

const CALL: Duration = Duration::from_secs(20);
/// Made by the bridge plugin, by flannel (vxlan) and by kube-proxy's older modes.
const LINKS: [&str; 4] = ["cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0"];
/// Tables of kube-proxy (nftables mode) and flannel.
const TABLES: [(&str, &str); 4] = [("ip", "kube-proxy"), ("ip6", "kube-proxy"), ("ip", "flannel-ipv4"), ("ip6", "flannel-ipv6")];
/// Prefixes of chains in iptables mode.
const CHAINS: [&str; 3] = ["KUBE-", "FLANNEL-", "CNI-"];

/// Removes them with the programs that the host has; what remains for lack of one is a note, and gone after a reboot.
pub(super) async fn sweep(_context: &HostContext) -> Result<Vec<String>, HostError> {
    let mut notes = Vec::new();
    unmount_below(&["/run/netns"])?;
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("cni-") {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
    for link in LINKS.iter().filter(|link| std::path::Path::new("/sys/class/net").join(link).exists()) {
        if Command::new("ip", ["link", "delete", link]).timeout(CALL).run().await.is_err() {
            notes.push(format!("the interface {link} could not be removed; it is gone after a reboot"));
        }
    }
    for (family, table) in TABLES {
        let there = Command::new("nft", ["list", "table", family, table]).timeout(CALL).output().await;
        if there.is_ok_and(|output| output.status == 0)
            && Command::new("nft", ["delete", "table", family, table]).timeout(CALL).run().await.is_err()
        {
            notes.push(format!("the nftables table {family} {table} could not be removed; it is gone after a reboot"));
        }
    }
    for program in ["iptables", "ip6tables"] {
        notes.extend(chains(program).await);
    }
    Ok(notes)
}

/// Takes our chains, and the jumps to them, out of what `iptables-save` prints.
async fn chains(program: &str) -> Vec<String> {
    let Ok(saved) = Command::new(&format!("{program}-save"), Vec::<String>::new()).timeout(CALL).run().await else { return Vec::new() };
    if !saved.stdout.lines().any(is_ours) {
        return Vec::new();
    }
    let text: String = saved.stdout.lines().filter(|line| !is_ours(line)).fold(String::new(), |text, line| text + line + "\n");
    let file = format!("/run/barque-{program}-{}", std::process::id());
    let restored = match fs_err::write(&file, text) {
        Ok(()) => Command::new(&format!("{program}-restore"), [file.as_str()]).timeout(CALL).run().await.is_ok(),
        Err(_) => false,
    };
    let _not_there = fs_err::remove_file(&file);
    if restored { Vec::new() } else { vec![format!("rules of {program} could not be removed; they are gone after a reboot")] }
}

fn is_ours(line: &str) -> bool {
    let chain = |word: &str| CHAINS.iter().any(|prefix| word.starts_with(prefix));
    if let Some(declared) = line.strip_prefix(':') {
        return chain(declared);
    }
    line.starts_with("-A ") && line.split_whitespace().any(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_rules_stay() {
        for line in [
            ":KUBE-FORWARD - [0:0]",
            "-A KUBE-FORWARD -j ACCEPT",
            "-A FORWARD -m comment --comment x -j KUBE-FORWARD",
            "-A POSTROUTING -j FLANNEL-POSTRTG",
        ] {
            assert!(is_ours(line), "{line}");
        }
        for line in ["*filter", ":INPUT ACCEPT [0:0]", "-A INPUT -p tcp --dport 22 -j ACCEPT", "COMMIT"] {
            assert!(!is_ours(line), "{line}");
        }
    }
}
