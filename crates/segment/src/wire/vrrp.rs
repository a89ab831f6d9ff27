//! Advertisements of VRRP: version 2 (RFC 3768, section 5) and version 3 (RFC 9568, section 5, which replaces RFC 5798).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use barque_model::Vrid;
use serde::{Deserialize, Serialize};

use super::checksum::{checksum, pseudo_header};
use super::fault::{FrameFault, byte, bytes, number};
use super::{EtherType, Ethernet, MacAddress, Packet, Protocol};

/// The group of all VRRP routers of IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The group of all VRRP routers of IPv6.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VrrpVersion {
    /// IPv4 only; intervals in whole seconds.
    V2,
    /// IPv4 and IPv6; intervals in centiseconds.
    V3,
}

impl VrrpVersion {
    /// Its number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// What the holder of addresses says again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// Version of the protocol.
    pub version: VrrpVersion,
    /// The virtual router.
    pub vrid: Vrid,
    /// 1 to 254, 255 when the speaker owns the addresses, 0 when it stops.
    pub priority: u8,
    /// The addresses that it holds.
    pub addresses: Vec<IpAddr>,
    /// Time between two advertisements: up to 255 s in version 2, up to 40.95 s in version 3.
    pub interval: Duration,
}

impl Advertisement {
    /// Reads the advertisement in a packet.
    pub fn parse(packet: &Packet<'_>) -> Result<Self, FrameFault> {
        let data = packet.payload;
        if packet.protocol != Protocol::Vrrp {
            return Err(FrameFault::Kind);
        }
        // Version 2 or 3, and the only type that there is.
        let version = match byte(data, 0)? {
            0x21 => VrrpVersion::V2,
            0x31 => VrrpVersion::V3,
            _ => return Err(FrameFault::Kind),
        };
        let vrid = byte(data, 1)?;
        let size = if packet.source.is_ipv4() { 4 } else { 16 };
        if vrid == 0 || (version == VrrpVersion::V2 && size != 4) {
            return Err(FrameFault::Value);
        }
        let count = usize::from(byte(data, 3)?);
        let addresses = data.get(8..8 + count * size).ok_or(FrameFault::Short)?;
        if !sum_is_right(version, packet) {
            return Err(FrameFault::Checksum);
        }
        let interval = match version {
            VrrpVersion::V2 => Duration::from_secs(byte(data, 5)?.into()),
            VrrpVersion::V3 => Duration::from_millis(u64::from(number(data, 4)? & 0x0fff) * 10),
        };
        let addresses: Result<Vec<IpAddr>, FrameFault> = addresses.chunks_exact(size).map(address).collect();
        Ok(Self { version, vrid: Vrid(vrid), priority: byte(data, 2)?, addresses: addresses?, interval })
    }

    /// The bytes of the frame that carries it from `source` to `destination`. A group has its own hardware address; `next` is that of a
    /// single receiver. Version 3 sums a pseudo-header, as keepalived does.
    pub fn to_frame(&self, source_mac: MacAddress, source: IpAddr, destination: IpAddr, next: MacAddress) -> Result<Vec<u8>, FrameFault> {
        let count = u8::try_from(self.addresses.len()).map_err(|_| FrameFault::Value)?;
        let mut data = vec![self.version.number() << 4 | 1, self.vrid.0, self.priority, count];
        match self.version {
            VrrpVersion::V2 => data.extend_from_slice(&[0, u8::try_from(self.interval.as_secs()).map_err(|_| FrameFault::Value)?]),
            VrrpVersion::V3 => {
                let centiseconds = u16::try_from(self.interval.as_millis() / 10).map_err(|_| FrameFault::Value)?;
                if centiseconds > 0x0fff {
                    return Err(FrameFault::Value);
                }
                data.extend_from_slice(&centiseconds.to_be_bytes());
            }
        }
        data.extend_from_slice(&[0, 0]);
        for address in &self.addresses {
            match (address, source) {
                (IpAddr::V4(address), IpAddr::V4(_)) => data.extend_from_slice(&address.octets()),
                (IpAddr::V6(address), IpAddr::V6(_)) => data.extend_from_slice(&address.octets()),
                _ => return Err(FrameFault::Value),
            }
        }
        let sum = match self.version {
            VrrpVersion::V2 => {
                // Authentication data: there even where there is none (RFC 3768, section 5.3.10).
                data.extend_from_slice(&[0; 8]);
                checksum(&[&data])
            }
            VrrpVersion::V3 => checksum(&[&pseudo_header(source, destination, Protocol::Vrrp.number(), data.len()), &data]),
        };
        data[6..8].copy_from_slice(&sum.to_be_bytes());
        let packet = Packet { source, destination, protocol: Protocol::Vrrp, hop_limit: 255, payload: &data }.to_bytes()?;
        let (kind, group) = match destination {
            IpAddr::V4(group) => (EtherType::Ipv4, MacAddress::of_group_v4(group)),
            IpAddr::V6(group) => (EtherType::Ipv6, MacAddress::of_group_v6(group)),
        };
        let receiver = if destination.is_multicast() { group } else { next };
        Ok(Ethernet { destination: receiver, source: source_mac, kind, payload: &packet }.to_bytes())
    }
}

/// Version 2 sums the message alone. Version 3 over IPv6 sums a pseudo-header too; over IPv4 RFC 9568 (section 5.2.8) and keepalived
/// disagree whether it does, so both are right.
fn sum_is_right(version: VrrpVersion, packet: &Packet<'_>) -> bool {
    let data = packet.payload;
    let alone = || checksum(&[data]) == 0;
    let with_pseudo_header =
        || checksum(&[&pseudo_header(packet.source, packet.destination, packet.protocol.number(), data.len()), data]) == 0;
    match (version, packet.source) {
        (VrrpVersion::V2, _) => alone(),
        (VrrpVersion::V3, IpAddr::V4(_)) => with_pseudo_header() || alone(),
        (VrrpVersion::V3, IpAddr::V6(_)) => with_pseudo_header(),
    }
}

fn address(data: &[u8]) -> Result<IpAddr, FrameFault> {
    if data.len() == 4 { bytes::<4>(data, 0).map(IpAddr::from) } else { bytes::<16>(data, 0).map(IpAddr::from) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    fn advertisement(version: VrrpVersion, address: &str) -> Advertisement {
        Advertisement {
            version,
            vrid: Vrid(51),
            priority: 100,
            addresses: vec![address.parse().unwrap()],
            interval: Duration::from_secs(1),
        }
    }

    fn parse(frame: &[u8]) -> Result<Advertisement, FrameFault> {
        Advertisement::parse(&Packet::parse(&Ethernet::parse(frame)?)?)
    }

    #[test]
    fn every_version_and_family_goes_there_and_back() {
        let v4: IpAddr = "10.77.0.15".parse().unwrap();
        let v6: IpAddr = "fe80::1".parse().unwrap();
        let cases = [
            (advertisement(VrrpVersion::V2, "10.77.0.100"), v4, IpAddr::V4(GROUP_V4)),
            (advertisement(VrrpVersion::V3, "10.77.0.100"), v4, IpAddr::V4(GROUP_V4)),
            (advertisement(VrrpVersion::V3, "10.77.0.100"), v4, "10.77.0.11".parse().unwrap()),
            (advertisement(VrrpVersion::V3, "fd00::100"), v6, IpAddr::V6(GROUP_V6)),
        ];
        for (sent, source, destination) in cases {
            let frame = sent.to_frame(MAC, source, destination, MacAddress([2, 0, 0, 0, 0, 2])).unwrap();
            assert_eq!(parse(&frame), Ok(sent.clone()));
            let ethernet = Ethernet::parse(&frame).unwrap();
            assert_eq!(ethernet.destination.is_group(), destination.is_multicast());
            // Any changed byte of the message shows.
            let start = frame.len() - Packet::parse(&ethernet).unwrap().payload.len();
            for at in start..frame.len() {
                let mut damaged = frame.clone();
                damaged[at] ^= 0x10;
                assert!(parse(&damaged).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn both_checksums_of_version_3_over_ipv4_are_right() {
        let sent = advertisement(VrrpVersion::V3, "10.77.0.100");
        let mut frame = sent.to_frame(MAC, [10, 77, 0, 15].into(), IpAddr::V4(GROUP_V4), MAC).unwrap();
        let message = frame.len() - 12;
        frame[message + 6..message + 8].copy_from_slice(&[0, 0]);
        let sum = checksum(&[&frame[message..]]).to_be_bytes();
        frame[message + 6..message + 8].copy_from_slice(&sum);
        assert_eq!(parse(&frame), Ok(sent));
    }

    #[test]
    fn behind_an_authentication_header_it_is_heard_too() {
        let sent = advertisement(VrrpVersion::V2, "10.77.0.100");
        let frame = sent.to_frame(MAC, [10, 77, 0, 15].into(), IpAddr::V4(GROUP_V4), MAC).unwrap();
        let message = &frame[34..];
        // Next header, length of 24 bytes, reserved, index, sequence, 96 bits of authentication.
        let mut payload = vec![112, 4, 0, 0];
        payload.extend_from_slice(&[0; 20]);
        payload.extend_from_slice(message);
        let mut packet = frame[14..34].to_vec();
        packet[9] = 51;
        packet[2..4].copy_from_slice(&u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        packet[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum(&[&packet]).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend_from_slice(&payload);
        let wrapped = Ethernet { destination: MAC, source: MAC, kind: EtherType::Ipv4, payload: &packet }.to_bytes();
        assert_eq!(parse(&wrapped), Ok(sent));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let sent = advertisement(VrrpVersion::V3, "fd00::100");
        assert_eq!(sent.to_frame(MAC, [10, 77, 0, 15].into(), IpAddr::V4(GROUP_V4), MAC), Err(FrameFault::Value));
        let slow = Advertisement { interval: Duration::from_secs(41), ..advertisement(VrrpVersion::V3, "10.0.0.1") };
        assert_eq!(slow.to_frame(MAC, [10, 77, 0, 15].into(), IpAddr::V4(GROUP_V4), MAC), Err(FrameFault::Value));
        let nobody = Advertisement { vrid: Vrid(0), ..advertisement(VrrpVersion::V2, "10.0.0.1") };
        let frame = nobody.to_frame(MAC, [10, 77, 0, 15].into(), IpAddr::V4(GROUP_V4), MAC).unwrap();
        assert_eq!(parse(&frame), Err(FrameFault::Value));
    }
}
