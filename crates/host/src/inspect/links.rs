//! Network interfaces.

use barque_check::Link;
use nix::sys::socket::SockaddrLike as _;

/// Interfaces with a MAC address, by name.
///
/// Asked of the kernel, not read from /sys/class/net: a container's /sys may show the interfaces of the machine that it runs on.
pub(super) fn links() -> Vec<Link> {
    let mut links: Vec<Link> = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let address = entry.address.filter(|address| address.family() == Some(nix::sys::socket::AddressFamily::Packet))?;
            let bytes = address.as_link_addr()?.addr().filter(|bytes| *bytes != [0; 6])?;
            let mac = bytes.map(|byte| format!("{byte:02x}")).join(":");
            Some(Link { name: entry.interface_name, mac })
        })
        .collect();
    links.sort_by(|left, right| left.name.cmp(&right.name));
    links
}
