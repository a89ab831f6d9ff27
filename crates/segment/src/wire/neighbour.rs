//! Neighbour solicitation and advertisement (RFC 4861, sections 4.3 and 4.4), and the probe of duplicate address detection (RFC 4862).

use std::net::{IpAddr, Ipv6Addr};

use super::checksum::{checksum, pseudo_header};
use super::fault::{FrameFault, byte, bytes};
use super::{EtherType, Ethernet, MacAddress, Packet, Protocol};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Option of an advertisement: the hardware address of its target.
const TARGET_LINK_LAYER: u8 = 2;
/// All nodes of the segment.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A message of neighbour discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Who has the target address?
    Solicitation {
        /// Address of who asks; unspecified in a probe.
        source: Ipv6Addr,
        /// Hardware address of who asks.
        source_mac: MacAddress,
        /// The address asked for.
        target: Ipv6Addr,
    },
    /// Somebody has the target address.
    Advertisement {
        /// Address of who says so.
        source: Ipv6Addr,
        /// The hardware address to reach it at.
        mac: MacAddress,
        /// The address.
        target: Ipv6Addr,
    },
}

/// The group of all nodes that may have `address` (RFC 4291, section 2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., first, second, third] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | first as u16, (second as u16) << 8 | third as u16)
}

impl Neighbour {
    /// A probe (RFC 4862, section 5.4.2): a question by nobody; whoever has the address answers to all nodes.
    pub const fn probe(own: MacAddress, target: Ipv6Addr) -> Self {
        Self::Solicitation { source: Ipv6Addr::UNSPECIFIED, source_mac: own, target }
    }

    /// Reads the message in a frame. Options of a solicitation do not matter here.
    pub fn parse(frame: &Ethernet<'_>) -> Result<Self, FrameFault> {
        let packet = Packet::parse(frame)?;
        let (IpAddr::V6(source), Protocol::Icmpv6) = (packet.source, packet.protocol) else { return Err(FrameFault::Kind) };
        let data = packet.payload;
        let kind = byte(data, 0)?;
        if !matches!(kind, SOLICITATION | ADVERTISEMENT) {
            return Err(FrameFault::Kind);
        }
        // Both must come from the segment itself (RFC 4861, sections 7.1.1 and 7.1.2).
        if packet.hop_limit != 255 || byte(data, 1)? != 0 {
            return Err(FrameFault::Value);
        }
        let pseudo = pseudo_header(packet.source, packet.destination, packet.protocol.number(), data.len());
        if checksum(&[&pseudo, data]) != 0 {
            return Err(FrameFault::Checksum);
        }
        let target = Ipv6Addr::from(bytes::<16>(data, 8)?);
        if target.is_multicast() {
            return Err(FrameFault::Value);
        }
        if kind == SOLICITATION {
            return Ok(Self::Solicitation { source, source_mac: frame.source, target });
        }
        let mac = link_layer_option(data.get(24..).unwrap_or_default())?.unwrap_or(frame.source);
        Ok(Self::Advertisement { source, mac, target })
    }

    /// The bytes of the frame that carries it: a solicitation to the target's group, an advertisement to all nodes.
    pub fn to_frame(&self) -> Result<Vec<u8>, FrameFault> {
        let (kind, flags, source, source_mac, target, group) = match *self {
            Self::Solicitation { source, source_mac, target } => (SOLICITATION, 0, source, source_mac, target, solicited_node(target)),
            // Override: caches take it (RFC 4861, section 4.4).
            Self::Advertisement { source, mac, target } => (ADVERTISEMENT, 0x20, source, mac, target, ALL_NODES),
        };
        let mut data = vec![kind, 0, 0, 0, flags, 0, 0, 0];
        data.extend_from_slice(&target.octets());
        if kind == ADVERTISEMENT {
            data.extend_from_slice(&[TARGET_LINK_LAYER, 1]);
            data.extend_from_slice(&source_mac.0);
        }
        let (from, to) = (IpAddr::V6(source), IpAddr::V6(group));
        let sum = checksum(&[&pseudo_header(from, to, Protocol::Icmpv6.number(), data.len()), &data]).to_be_bytes();
        data[2..4].copy_from_slice(&sum);
        let packet = Packet { source: from, destination: to, protocol: Protocol::Icmpv6, hop_limit: 255, payload: &data }.to_bytes()?;
        let destination = MacAddress::of_group_v6(group);
        Ok(Ethernet { destination, source: source_mac, kind: EtherType::Ipv6, payload: &packet }.to_bytes())
    }
}

/// The hardware address among options, each with its length in units of eight bytes.
fn link_layer_option(mut options: &[u8]) -> Result<Option<MacAddress>, FrameFault> {
    while !options.is_empty() {
        let length = usize::from(byte(options, 1)?) * 8;
        if length == 0 {
            return Err(FrameFault::Value);
        }
        let option = options.get(..length).ok_or(FrameFault::Short)?;
        if option[0] == TARGET_LINK_LAYER {
            return Ok(Some(MacAddress(bytes(option, 2)?)));
        }
        options = &options[length..];
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_probe_comes_from_nobody_and_goes_to_the_group() {
        let target: Ipv6Addr = "fd00::1:2:3".parse().unwrap();
        let frame = Neighbour::probe(OWN, target).to_frame().unwrap();
        let ethernet = Ethernet::parse(&frame).unwrap();
        assert_eq!(ethernet.destination.to_string(), "33:33:ff:02:00:03");
        let packet = Packet::parse(&ethernet).unwrap();
        assert_eq!(packet.source, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        assert_eq!(packet.destination.to_string(), "ff02::1:ff02:3");
        assert_eq!((packet.hop_limit, packet.payload.len()), (255, 24));
        assert_eq!(Neighbour::parse(&ethernet), Ok(Neighbour::probe(OWN, target)));
    }

    #[test]
    fn an_answer_says_where_the_address_is() {
        let answer = Neighbour::Advertisement { source: "fe80::9".parse().unwrap(), mac: OWN, target: "fd00::3".parse().unwrap() };
        let mut frame = answer.to_frame().unwrap();
        assert_eq!(Neighbour::parse(&Ethernet::parse(&frame).unwrap()), Ok(answer));
        // What went through a router is no answer.
        frame[14 + 7] = 254;
        assert_eq!(Neighbour::parse(&Ethernet::parse(&frame).unwrap()), Err(FrameFault::Value));
        frame[14 + 7] = 255;
        frame[14 + 40 + 20] ^= 1;
        assert_eq!(Neighbour::parse(&Ethernet::parse(&frame).unwrap()), Err(FrameFault::Checksum));
    }

    #[test]
    fn options_of_no_length_end_the_search() {
        assert_eq!(link_layer_option(&[1, 0, 0, 0, 0, 0, 0, 0]), Err(FrameFault::Value));
        assert_eq!(link_layer_option(&[1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 1]), Ok(Some(OWN)));
        assert_eq!(link_layer_option(&[2, 2, 0, 0]), Err(FrameFault::Short));
        assert_eq!(link_layer_option(&[]), Ok(None));
    }
}
