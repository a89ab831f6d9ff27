//! Ethernet II frames (RFC 894), as a packet socket of one interface gives them: without a checksum, and without a VLAN tag, which the
//! kernel has taken off.

use super::MacAddress;
use super::fault::{FrameFault, bytes, number};

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtherType {
    /// IPv4.
    Ipv4,
    /// ARP.
    Arp,
    /// IPv6.
    Ipv6,
}

impl EtherType {
    /// The number on the wire (IEEE 802 numbers of IANA).
    pub const fn number(self) -> u16 {
        match self {
            Self::Ipv4 => 0x0800,
            Self::Arp => 0x0806,
            Self::Ipv6 => 0x86dd,
        }
    }
}

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ethernet<'a> {
    /// Receiver.
    pub destination: MacAddress,
    /// Sender.
    pub source: MacAddress,
    /// What it carries.
    pub kind: EtherType,
    /// The rest. A short one is filled up to 46 bytes on the wire.
    pub payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// Bytes before the payload.
    pub const HEADER: usize = 14;

    /// Reads a frame.
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameFault> {
        let kind = match number(frame, 12)? {
            0x0800 => EtherType::Ipv4,
            0x0806 => EtherType::Arp,
            0x86dd => EtherType::Ipv6,
            _ => return Err(FrameFault::Kind),
        };
        Ok(Self {
            destination: MacAddress(bytes(frame, 0)?),
            source: MacAddress(bytes(frame, 6)?),
            kind,
            payload: frame.get(Self::HEADER..).unwrap_or_default(),
        })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(Self::HEADER + self.payload.len());
        frame.extend_from_slice(&self.destination.0);
        frame.extend_from_slice(&self.source.0);
        frame.extend_from_slice(&self.kind.number().to_be_bytes());
        frame.extend_from_slice(self.payload);
        frame
    }
}
