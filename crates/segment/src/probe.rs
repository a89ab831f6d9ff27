//! Asks who holds addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::filter::{of_interface, with_byte};
use crate::interface::Interface;
use crate::packet_socket::PacketSocket;
use crate::wire::{Arp, EtherType, Ethernet, MacAddress, Neighbour, Protocol};
use crate::{SegmentError, arp_cache};

/// Questions for each address. RFC 5227 (section 1.1) has three too, one or two seconds apart after a random pause of up to a second: so
/// that many hosts that start at the same moment do not all ask at once. Here a few hosts ask, and three answer a lost one just as well.
const PROBES: u32 = 3;
/// Between two questions.
const SPACING: Duration = Duration::from_millis(300);
/// How long asking takes: the questions, and twice the spacing for answers to the last one.
pub const PROBE_TIME: Duration = Duration::from_millis(1200);

/// Where an IPv6 packet says what it carries, from the start of the frame.
const PROTOCOL_V6: u32 = 14 + 6;

/// Who answers for what.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    holders: BTreeMap<IpAddr, BTreeSet<MacAddress>>,
    /// All that was heard, answers or not, and what this host knew before.
    known: BTreeMap<MacAddress, BTreeSet<IpAddr>>,
}

impl Answers {
    /// Hardware addresses that answer for `address`.
    pub(crate) fn holders(&self, address: IpAddr) -> impl Iterator<Item = MacAddress> {
        self.holders.get(&address).into_iter().flatten().copied()
    }

    /// Other addresses of the machine with `mac`.
    pub(crate) fn also(&self, mac: MacAddress, address: IpAddr) -> Vec<IpAddr> {
        self.known.get(&mac).into_iter().flatten().filter(|known| **known != address).copied().collect()
    }

    fn hold(&mut self, address: IpAddr, mac: MacAddress) {
        self.known.entry(mac).or_default().insert(address);
        self.holders.entry(address).or_default().insert(mac);
    }
}

/// Asks for each of `addresses` and takes answers until `end`.
pub(crate) async fn probe(interface: &Interface, addresses: &[IpAddr], end: Instant) -> Result<Answers, SegmentError> {
    let arp = PacketSocket::open(interface, EtherType::Arp, &of_interface(interface.index))?;
    let filter = with_byte(interface.index, PROTOCOL_V6, &[Protocol::Icmpv6.number()]);
    let discovery = PacketSocket::open(interface, EtherType::Ipv6, &filter)?;
    let mut answers = Answers { known: arp_cache::read(&interface.name), ..Answers::default() };
    let mut ticks = interval(SPACING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => break,
            _ = ticks.tick(), if asked < PROBES => {
                asked += 1;
                for address in addresses {
                    match *address {
                        IpAddr::V4(address) => arp.send(&Arp::probe(interface.mac, address).to_frame())?,
                        IpAddr::V6(address) => ask_v6(&discovery, interface, address)?,
                    }
                }
            }
            frame = arp.receive() => hear_arp(&frame?, interface, addresses, &mut answers),
            frame = discovery.receive() => hear_discovery(&frame?, interface, addresses, &mut answers),
        }
    }
    Ok(answers)
}

fn ask_v6(socket: &PacketSocket, interface: &Interface, address: Ipv6Addr) -> Result<(), SegmentError> {
    // A question about an address cannot fail to be written.
    Neighbour::probe(interface.mac, address).to_frame().map_or(Ok(()), |frame| socket.send(&frame))
}

/// Whoever names the address as its own holds it, with an answer or a question (RFC 5227, section 2.1.1).
fn hear_arp(frame: &[u8], interface: &Interface, addresses: &[IpAddr], answers: &mut Answers) {
    let Ok(arp) = Ethernet::parse(frame).and_then(|frame| Arp::parse(&frame)) else { return };
    if arp.sender == Ipv4Addr::UNSPECIFIED || arp.sender_mac == interface.mac || arp.sender_mac.is_group() {
        return;
    }
    let sender = IpAddr::V4(arp.sender);
    answers.known.entry(arp.sender_mac).or_default().insert(sender);
    if addresses.contains(&sender) {
        answers.hold(sender, arp.sender_mac);
    }
}

fn hear_discovery(frame: &[u8], interface: &Interface, addresses: &[IpAddr], answers: &mut Answers) {
    let Ok(Neighbour::Advertisement { mac, target, .. }) = Ethernet::parse(frame).and_then(|frame| Neighbour::parse(&frame)) else {
        return;
    };
    let target = IpAddr::V6(target);
    if mac != interface.mac && addresses.contains(&target) {
        answers.hold(target, mac);
    }
}
