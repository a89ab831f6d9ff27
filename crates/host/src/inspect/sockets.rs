//! Sockets that wait on ports.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use barque_check::{Listener, Process, Protocol};

use super::processes::holder;
use super::read::text;
use crate::context::HostContext;

/// State of a TCP socket that listens, and of a UDP socket without a peer (include/net/tcp_states.h).
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";

/// One line of the kernel's tables.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    protocol: Protocol,
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// Sockets on `ports`, with the processes that hold them.
pub(super) fn listeners(context: &HostContext, ports: &BTreeSet<u16>, processes: &[Process]) -> Vec<Listener> {
    if ports.is_empty() {
        return Vec::new();
    }
    let tables = [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];
    let mut sockets = Vec::new();
    for (table, protocol) in tables {
        let text = text(context, &format!("/proc/net/{table}"));
        sockets.extend(text.lines().skip(1).filter_map(|line| parse(line, protocol)).filter(|socket| ports.contains(&socket.port)));
    }
    let inodes: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).filter(|inode| *inode > 0).collect();
    let holders = if inodes.is_empty() { Vec::new() } else { holder(context, processes, &inodes) };
    let with_holder = |socket: Socket| {
        let holder = holders.iter().find(|(inode, _)| *inode == socket.inode).map(|(_, process)| (*process).clone());
        Listener { protocol: socket.protocol, address: socket.address, port: socket.port, holder }
    };
    sockets.into_iter().map(with_holder).collect()
}

/// `sl local_address rem_address st … inode`, see proc_net_tcp(5).
fn parse(line: &str, protocol: Protocol) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let state = match protocol {
        Protocol::Tcp => LISTENS,
        Protocol::Udp => UNCONNECTED,
    };
    if *fields.get(3)? != state {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let inode = fields.get(9)?.parse().ok()?;
    Some(Socket { protocol, address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, inode })
}

/// Four-byte words in the machine's byte order. IPv4 addresses in IPv6 sockets count as IPv4.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for index in 0..4 {
                bytes[index * 4..index * 4 + 4].copy_from_slice(&word(index * 8)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::inspect::processes::process;

    #[test]
    fn reads_the_kernels_tables() {
        let line = "   0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22519 1 0 100 0 0 10 0";
        let socket = parse(line, Protocol::Tcp).unwrap();
        assert_eq!((socket.address.to_string().as_str(), socket.port, socket.inode), ("127.0.0.1", 631, 22519));
        assert_eq!(parse(&line.replace(" 0A ", " 01 "), Protocol::Tcp), None);
        assert_eq!(parse_address("00000000000000000000000000000000"), Some(Ipv6Addr::UNSPECIFIED.into()));
        assert_eq!(parse_address("0000000000000000FFFF00000100007F"), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn holders_are_found() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ports: BTreeSet<u16> = [tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port()].into();
        let context = HostContext::new("/");
        let own = process(&context, std::process::id()).unwrap();
        let found = listeners(&context, &ports, std::slice::from_ref(&own));
        let held = found.iter().filter(|listener| listener.holder.as_ref() == Some(&own)).count();
        assert_eq!(held, 2, "{found:?}");
    }
}
