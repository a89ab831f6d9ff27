//! Connections that were begun here and not completed, as the kernel lists them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fs_err as fs;

/// `TCP_SYN_RECV` (linux/tcp_states.h): the first packet has come, our answer has gone, nothing came back.
const SYN_RECEIVED: &str = "03";

/// The other side's address and the port here, of connections to `ports`.
pub(super) fn read(ports: &BTreeSet<u16>) -> BTreeSet<(IpAddr, u16)> {
    let mut found = BTreeSet::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(path).unwrap_or_default();
        found.extend(text.lines().filter_map(entry).filter(|(_, port)| ports.contains(port)));
    }
    found
}

/// `sl local_address rem_address st …` (proc_pid_net(5)).
fn entry(line: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    if state != SYN_RECEIVED {
        return None;
    }
    let (_, port) = local.split_once(':')?;
    let (address, _) = remote.split_once(':')?;
    Some((parse(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// Words of 32 bits in the host's order, which is little-endian wherever barque runs.
fn parse(hexadecimal: &str) -> Option<IpAddr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_le_bytes);
    match hexadecimal.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(hexadecimal)?))),
        32 => {
            let mut bytes = [0; 16];
            for (index, target) in bytes.chunks_mut(4).enumerate() {
                target.copy_from_slice(&word(hexadecimal.get(index * 8..index * 8 + 8)?)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn half_open_connections_are_read_from_the_kernels_list() {
        let line = "   3: 0100000A:280A 0200000A:D4F2 03 00000000:00000000 01:00000063 00000000     0        0 0 1 0000000000000000";
        assert_eq!(entry(line), Some(("10.0.0.2".parse().unwrap(), 10250)));
        assert_eq!(entry(&line.replace(" 03 ", " 01 ")), None);
        assert_eq!(entry("  sl  local_address rem_address   st tx_queue"), None);
        assert_eq!(parse("0000000000000000FFFF00000200000A"), Some("10.0.0.2".parse().unwrap()));
        assert_eq!(parse("000000FD000000000000000001000000"), Some("fd00::1".parse().unwrap()));
    }
}
