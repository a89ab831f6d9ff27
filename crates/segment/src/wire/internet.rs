//! IPv4 and IPv6 packets (RFC 791, RFC 8200), as much of them as neighbour discovery and VRRP need.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::checksum;
use super::fault::{FrameFault, byte, bytes, number};
use super::{EtherType, Ethernet};

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// ICMP of IPv6, with neighbour discovery (58).
    Icmpv6,
    /// VRRP (112).
    Vrrp,
}

impl Protocol {
    /// The number on the wire (protocol numbers of IANA).
    pub const fn number(self) -> u8 {
        match self {
            Self::Icmpv6 => 58,
            Self::Vrrp => 112,
        }
    }
}

/// Authentication header (51). keepalived's `auth_type AH` puts one before VRRP.
pub(crate) const AUTHENTICATION: u8 = 51;

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Receiver; of the same family.
    pub destination: IpAddr,
    /// What it carries.
    pub protocol: Protocol,
    /// Time to live, or hop limit: 255 in what must come from the segment itself.
    pub hop_limit: u8,
    /// The rest.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the packet in a frame.
    pub fn parse(frame: &Ethernet<'a>) -> Result<Self, FrameFault> {
        match frame.kind {
            EtherType::Ipv4 => Self::parse_v4(frame.payload),
            EtherType::Ipv6 => Self::parse_v6(frame.payload),
            EtherType::Arp => Err(FrameFault::Kind),
        }
    }

    fn parse_v4(data: &'a [u8]) -> Result<Self, FrameFault> {
        let first = byte(data, 0)?;
        let header = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header < 20 {
            return Err(FrameFault::Value);
        }
        let total = usize::from(number(data, 2)?);
        // What comes after the length is the filling of a short frame.
        let data = data.get(..total).ok_or(FrameFault::Short)?;
        let head = data.get(..header).ok_or(FrameFault::Short)?;
        if checksum(&[head]) != 0 {
            return Err(FrameFault::Checksum);
        }
        // Neither is ever sent in fragments.
        if number(data, 6)? & 0x3fff != 0 {
            return Err(FrameFault::Value);
        }
        let (protocol, payload) = carried(byte(data, 9)?, &data[header..])?;
        let source = Ipv4Addr::from(bytes::<4>(data, 12)?).into();
        let destination = Ipv4Addr::from(bytes::<4>(data, 16)?).into();
        Ok(Self { source, destination, protocol, hop_limit: byte(data, 8)?, payload })
    }

    fn parse_v6(data: &'a [u8]) -> Result<Self, FrameFault> {
        if byte(data, 0)? >> 4 != 6 {
            return Err(FrameFault::Value);
        }
        let length = usize::from(number(data, 4)?);
        let payload = data.get(40..40 + length).ok_or(FrameFault::Short)?;
        let (protocol, payload) = carried(byte(data, 6)?, payload)?;
        let source = Ipv6Addr::from(bytes::<16>(data, 8)?).into();
        let destination = Ipv6Addr::from(bytes::<16>(data, 24)?).into();
        Ok(Self { source, destination, protocol, hop_limit: byte(data, 7)?, payload })
    }

    /// Its bytes. A packet whose addresses are of two families cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameFault> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.to_bytes_v4(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.to_bytes_v6(source, destination),
            _ => Err(FrameFault::Value),
        }
    }

    fn to_bytes_v4(self, source: Ipv4Addr, destination: Ipv4Addr) -> Result<Vec<u8>, FrameFault> {
        let total = u16::try_from(20 + self.payload.len()).map_err(|_| FrameFault::Value)?;
        let mut packet = vec![0x45, 0xc0];
        packet.extend_from_slice(&total.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 0, self.hop_limit, self.protocol.number(), 0, 0]);
        packet.extend_from_slice(&source.octets());
        packet.extend_from_slice(&destination.octets());
        let sum = checksum(&[&packet]).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend_from_slice(self.payload);
        Ok(packet)
    }

    fn to_bytes_v6(self, source: Ipv6Addr, destination: Ipv6Addr) -> Result<Vec<u8>, FrameFault> {
        let length = u16::try_from(self.payload.len()).map_err(|_| FrameFault::Value)?;
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[self.protocol.number(), self.hop_limit]);
        packet.extend_from_slice(&source.octets());
        packet.extend_from_slice(&destination.octets());
        packet.extend_from_slice(self.payload);
        Ok(packet)
    }
}

/// What a packet carries behind an authentication header, if there is one (RFC 4302, section 2: its length is in words of four bytes,
/// less two).
fn carried(protocol: u8, payload: &[u8]) -> Result<(Protocol, &[u8]), FrameFault> {
    match protocol {
        58 => Ok((Protocol::Icmpv6, payload)),
        112 => Ok((Protocol::Vrrp, payload)),
        AUTHENTICATION if byte(payload, 0)? == Protocol::Vrrp.number() => {
            let length = (usize::from(byte(payload, 1)?) + 2) * 4;
            Ok((Protocol::Vrrp, payload.get(length..).ok_or(FrameFault::Short)?))
        }
        _ => Err(FrameFault::Kind),
    }
}
