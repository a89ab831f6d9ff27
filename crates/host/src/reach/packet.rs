//! Packets of the test, as they are on the wire.

use std::net::{Ipv4Addr, SocketAddrV4};

/// IPv4 header without options, in bytes.
pub(super) const IP_HEADER: usize = 20;
/// UDP header, in bytes.
const UDP_HEADER: usize = 8;
/// Bytes of [`Words`].
pub(super) const WORDS: usize = 16;
/// The first byte is one that VXLAN (no valid network identifier) and VRRP (version 0) throw away.
const MAGIC: [u8; 4] = [0, b'b', b'r', b'q'];
/// IP protocol of UDP.
pub(super) const UDP: u8 = 17;
/// IP protocol of VRRP (RFC 5798).
pub(super) const VRRP: u8 = 112;
/// What VRRP demands, and nobody minds.
const HOPS: u8 = 255;
/// Don't Fragment.
const DONT_FRAGMENT: [u8; 2] = [0x40, 0];

/// What a packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is expected in return.
    Notice = 0,
    /// Answer me.
    Ask = 1,
    /// An answer.
    Answer = 2,
    /// Answer me, and then take and send long packets; TCP only.
    AskLong = 3,
}

/// The first bytes of what each packet and connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) kind: Kind,
    pub(super) nonce: u64,
}

impl Words {
    pub(super) fn bytes(self) -> [u8; WORDS] {
        let mut bytes = [0; WORDS];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[8..].copy_from_slice(&self.nonce.to_be_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..WORDS)?;
        let kind = match bytes[4] {
            0 => Kind::Notice,
            1 => Kind::Ask,
            2 => Kind::Answer,
            3 => Kind::AskLong,
            _ => return None,
        };
        let nonce = u64::from_be_bytes(bytes[8..].try_into().ok()?);
        (bytes[..4] == MAGIC).then_some(Self { kind, nonce })
    }
}

/// A packet of `size` bytes that must not be cut. The kernel fills in length, checksum and identification of the IP header (raw(7)).
pub(super) fn udp(from: SocketAddrV4, to: SocketAddrV4, words: Words, size: u16) -> Vec<u8> {
    let mut packet = ip(*from.ip(), *to.ip(), UDP, size);
    let length = u16::try_from(usize::from(size).saturating_sub(IP_HEADER)).unwrap_or(u16::MAX);
    packet[IP_HEADER..IP_HEADER + 2].copy_from_slice(&from.port().to_be_bytes());
    packet[IP_HEADER + 2..IP_HEADER + 4].copy_from_slice(&to.port().to_be_bytes());
    packet[IP_HEADER + 4..IP_HEADER + 6].copy_from_slice(&length.to_be_bytes());
    packet[IP_HEADER + UDP_HEADER..IP_HEADER + UDP_HEADER + WORDS].copy_from_slice(&words.bytes());
    let sum = checksum(*from.ip(), *to.ip(), &packet[IP_HEADER..]);
    packet[IP_HEADER + 6..IP_HEADER + 8].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The same for VRRP's protocol.
pub(super) fn vrrp(from: Ipv4Addr, to: Ipv4Addr, words: Words, size: u16) -> Vec<u8> {
    let mut packet = ip(from, to, VRRP, size);
    packet[IP_HEADER..IP_HEADER + WORDS].copy_from_slice(&words.bytes());
    packet
}

fn ip(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, size: u16) -> Vec<u8> {
    let mut packet = vec![0; usize::from(size).max(IP_HEADER + UDP_HEADER + WORDS)];
    packet[0] = 0x45;
    packet[6..8].copy_from_slice(&DONT_FRAGMENT);
    packet[8] = HOPS;
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    packet
}

/// The checksum of UDP over its pseudo header (RFC 768).
fn checksum(from: Ipv4Addr, to: Ipv4Addr, datagram: &[u8]) -> u16 {
    let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    let pseudo = [&from.octets()[..], &to.octets()[..], &[0, UDP], &length.to_be_bytes()[..]].concat();
    let words = pseudo.chunks(2).chain(datagram.chunks(2));
    let sum: u32 = words.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX);
    // Zero means that there is no checksum.
    if folded == u16::MAX { u16::MAX } else { !folded }
}

/// A packet that arrived, as a raw socket reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    pub(super) words: Words,
    /// Its length with the IP header.
    pub(super) size: u16,
}

/// Reads a packet of the test; `None` for anybody else's.
pub(super) fn parse(packet: &[u8], protocol: u8) -> Option<Arrived> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let (from, to, body) = (address(12)?, address(16)?, packet.get(header..)?);
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let (from, to, words) = match protocol {
        UDP => (SocketAddrV4::new(from, port(0)?), SocketAddrV4::new(to, port(2)?), Words::parse(body.get(UDP_HEADER..)?)?),
        _ => (SocketAddrV4::new(from, 0), SocketAddrV4::new(to, 0), Words::parse(body)?),
    };
    Some(Arrived { from, to, words, size: u16::try_from(packet.len()).unwrap_or(u16::MAX) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (from, to) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:8472".parse().unwrap());
        let words = Words { kind: Kind::Ask, nonce: 0x0102_0304_0506_0708 };
        for size in [64, 1500] {
            let packet = udp(from, to, words, size);
            assert_eq!(packet.len(), usize::from(size));
            assert_eq!(parse(&packet, UDP), Some(Arrived { from, to, words, size }));
            let (from, to) = (SocketAddrV4::new(*from.ip(), 0), SocketAddrV4::new(*to.ip(), 0));
            assert_eq!(parse(&vrrp(*from.ip(), *to.ip(), words, size), VRRP), Some(Arrived { from, to, words, size }));
        }
        assert_eq!(parse(&[0x45; 40], UDP), None);
        assert_eq!(parse(&[], UDP), None);
    }

    #[test]
    fn a_datagrams_checksum_sums_up() {
        let (from, to) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:8472".parse().unwrap());
        let packet = udp(from, to, Words { kind: Kind::Notice, nonce: 7 }, 65);
        // Over a datagram with its checksum the sum is nought, which is written as all ones.
        assert_eq!(checksum(*from.ip(), *to.ip(), &packet[IP_HEADER..]), u16::MAX);
    }
}
