//! The longest packet of an interface.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::facts::addresses;

/// Ethernet's, in bytes.
const ETHERNET: u16 = 1500;
/// Longer than any packet of a test, for interfaces that have no limit of their own, such as the loopback.
const LARGEST: u16 = 9000;
/// The discard port; nothing is ever sent.
const ANY_PORT: u16 = 9;

/// Longest packet, in bytes, of the interface that has `address`; Ethernet's when none has.
///
/// Asked of the kernel, not read from /sys/class/net: a container's /sys may show the interfaces of the machine that it runs on.
pub(super) fn mtu(address: IpAddr) -> u16 {
    let interface = addresses().ok().and_then(|found| found.into_iter().find(|found| found.address == address));
    let found = interface.and_then(|found| of_interface(&found.interface, address.is_ipv4()).ok());
    found.map_or(ETHERNET, |mtu| u16::try_from(mtu).map_or(LARGEST, |mtu| mtu.min(LARGEST)))
}

/// What the kernel would use for a packet to everybody on the interface's own segment: no route, and no path that was learnt, shortens it.
fn of_interface(name: &str, is_ipv4: bool) -> io::Result<u32> {
    let domain = if is_ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(name.as_bytes()))?;
    if is_ipv4 {
        socket.connect(&SockAddr::from(SocketAddr::from((Ipv4Addr::new(224, 0, 0, 1), ANY_PORT))))?;
        return Ok(rustix::net::sockopt::ip_mtu(&socket)?);
    }
    let index = nix::net::if_::if_nametoindex(name)?;
    let everybody = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    socket.connect(&SockAddr::from(SocketAddrV6::new(everybody, ANY_PORT, 0, index)))?;
    Ok(rustix::net::sockopt::ipv6_mtu(&socket)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_loopback_has_room_for_all() {
        assert!(of_interface("lo", true).unwrap() > 9000);
        assert_eq!(mtu(Ipv4Addr::LOCALHOST.into()), LARGEST);
    }

    #[test]
    fn an_address_of_nobody_gets_the_usual() {
        assert_eq!(mtu("192.0.2.77".parse().unwrap()), ETHERNET);
    }
}
