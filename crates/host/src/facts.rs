//! Facts of this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use barque_plan::{HostFacts, InterfaceAddress, OsRelease};
use fs_err as fs;
use nix::sys::socket::{SockaddrIn, SockaddrIn6};

use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::hosts_line;
use crate::space::disk_space;

/// Where barque and its components write.
const WRITTEN: [&str; 6] = ["/var/lib/barque", "/var/lib/etcd", "/var/lib/containerd", "/var/lib/kubelet", "/etc", "/usr/local"];
/// A name that takes longer makes kubelet wait for it again and again.
const RESOLVE_LIMIT: Duration = Duration::from_secs(1);
/// `f_type` of a cgroup2 file system (linux/magic.h).
const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// Observes this host.
pub async fn facts(context: &HostContext) -> Result<HostFacts, HostError> {
    let uname = rustix::system::uname();
    let hostname = uname.nodename().to_string_lossy().into_owned();
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(HostFacts {
        resolves_own_name: resolves(context, &hostname).await,
        machine_id: read_line(context, "/etc/machine-id"),
        boot_id: context.boot_id().to_owned(),
        architecture: architecture(&uname.machine().to_string_lossy()),
        os: os_release(&fs::read_to_string(context.path("/etc/os-release")).unwrap_or_default()),
        kernel: uname.release().to_string_lossy().into_owned(),
        cgroup_v2: rustix::fs::statfs(context.path("/sys/fs/cgroup")).is_ok_and(|stat| stat.f_type == CGROUP2_MAGIC),
        processors: std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        memory_bytes: memory_bytes(&fs::read_to_string(context.path("/proc/meminfo")).unwrap_or_default()),
        addresses: addresses()?,
        systemd: context.path("/run/systemd/system").is_dir(),
        disks: WRITTEN.iter().map(|path| disk_space(context, path)).collect(),
        clock_millis: i64::try_from(clock.as_millis()).unwrap_or(i64::MAX),
        hostname,
    })
}

fn read_line(context: &HostContext, path: &str) -> String {
    fs::read_to_string(context.path(path)).unwrap_or_default().trim().to_owned()
}

/// The kernel's word in Go's terms; others are left as they are.
fn architecture(machine: &str) -> String {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
    .to_owned()
}

async fn resolves(context: &HostContext, name: &str) -> bool {
    // Programs without the C library's resolver look here first, and only here before DNS.
    hosts_line::knows(context, name) || Command::new("getent", ["hosts", name]).timeout(RESOLVE_LIMIT).run().await.is_ok()
}

/// `KEY=value` lines, values perhaps in quotes (os-release(5)).
fn os_release(text: &str) -> OsRelease {
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
    };
    OsRelease { id: value("ID"), version_id: value("VERSION_ID"), pretty_name: value("PRETTY_NAME") }
}

/// `MemTotal`, which the kernel gives in KiB.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kibibytes| kibibytes * 1024)
}

/// Addresses of all interfaces.
pub fn addresses() -> Result<Vec<InterfaceAddress>, HostError> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(std::io::Error::from)?;
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let storage = interface.address?;
        let mask = interface.netmask;
        let (address, prefix) = if let Some(v4) = storage.as_sockaddr_in() {
            let mask = mask.as_ref().and_then(|mask| mask.as_sockaddr_in()).map_or(Ipv4Addr::BROADCAST, SockaddrIn::ip);
            (IpAddr::V4(v4.ip()), mask.to_bits().count_ones())
        } else {
            let v6 = storage.as_sockaddr_in6()?;
            let mask = mask.as_ref().and_then(|mask| mask.as_sockaddr_in6()).map_or(Ipv6Addr::from_bits(u128::MAX), SockaddrIn6::ip);
            (IpAddr::V6(v6.ip()), mask.to_bits().count_ones())
        };
        Some(InterfaceAddress { interface: interface.interface_name, address, prefix: u8::try_from(prefix).unwrap_or(u8::MAX) })
    };
    Ok(interfaces.filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_os_release_and_memory() {
        let os = os_release("PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nID=debian\n");
        assert_eq!((os.id.as_str(), os.version_id.as_str(), os.pretty_name.as_str()), ("debian", "13", "Debian GNU/Linux 13 (trixie)"));
        assert_eq!(memory_bytes("MemTotal:       16000 kB\nMemFree: 1 kB\n"), 16_384_000);
    }

    #[tokio::test]
    async fn observes_this_machine() {
        let facts = facts(&HostContext::new("/")).await.unwrap();
        assert!(facts.addresses.iter().any(|address| address.address == IpAddr::from([127, 0, 0, 1]) && address.prefix == 8));
        assert!(facts.memory_bytes > 0 && facts.disks.iter().all(|disk| disk.free_bytes > 0));
    }
}
