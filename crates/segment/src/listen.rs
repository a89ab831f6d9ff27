//! Listens to VRRP.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use barque_model::Vrid;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use tokio::time::Instant;

use crate::filter::with_byte;
use crate::interface::Interface;
use crate::packet_socket::PacketSocket;
use crate::wire::{Advertisement, EtherType, Ethernet, FrameFault, GROUP_V4, GROUP_V6, Packet};
use crate::{MacAddress, SegmentError, Speaker};

/// Where an IPv4 packet says what it carries, from the start of the frame.
const PROTOCOL_V4: u32 = 14 + 9;
/// Where an IPv6 packet says it.
const PROTOCOL_V6: u32 = 14 + 6;
/// VRRP, and the authentication header that may stand before it.
const WANTED: [u8; 2] = [112, 51];

/// Speakers, each once.
type Heard = BTreeMap<(MacAddress, IpAddr, Vrid), Speaker>;

/// Everybody who speaks VRRP on the interface's segment until `end`, for IPv4 and IPv6, but this host itself: a packet socket of one
/// protocol does not get what the host sends.
pub(crate) async fn listen(interface: &Interface, end: Instant) -> Result<Vec<Speaker>, SegmentError> {
    let v4 = PacketSocket::open(interface, EtherType::Ipv4, &with_byte(interface.index, PROTOCOL_V4, &WANTED))?;
    let v6 = PacketSocket::open(interface, EtherType::Ipv6, &with_byte(interface.index, PROTOCOL_V6, &WANTED))?;
    // Kept until the end: without members the interface may leave out what is sent to the groups.
    let _member_v4 =
        join_v4(interface).map_err(|source| SegmentError::Socket { interface: interface.name.clone(), what: "received", source })?;
    // A host without IPv6 hears nothing there.
    let _member_v6 = join_v6(interface).ok();
    let mut heard = Heard::new();
    loop {
        let frame = tokio::select! {
            () = tokio::time::sleep_until(end) => break,
            frame = v4.receive() => frame?,
            frame = v6.receive() => frame?,
        };
        // What cannot be read is nobody's advertisement: a router would drop it too.
        if let Ok(speaker) = speaker(&frame) {
            heard.insert((speaker.mac, speaker.source, speaker.vrid), speaker);
        }
    }
    Ok(heard.into_values().collect())
}

fn speaker(frame: &[u8]) -> Result<Speaker, FrameFault> {
    let ethernet = Ethernet::parse(frame)?;
    let packet = Packet::parse(&ethernet)?;
    let Advertisement { version, vrid, priority, addresses, interval } = Advertisement::parse(&packet)?;
    let unicast = !packet.destination.is_multicast();
    Ok(Speaker { mac: ethernet.source, source: packet.source, vrid, version, priority, addresses, interval, unicast })
}

fn join_v4(interface: &Interface) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface.index))?;
    Ok(socket)
}

fn join_v6(interface: &Interface) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.join_multicast_v6(&GROUP_V6, interface.index)?;
    Ok(socket)
}
