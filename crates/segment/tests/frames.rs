//! No bytes make the parsers panic, and what is written is read again.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::Duration;

use barque_model::Vrid;
use barque_segment::MacAddress;
use barque_segment::wire::{Advertisement, Arp, ArpOperation, Ethernet, GROUP_V4, GROUP_V6, Neighbour, Packet, VrrpVersion};
use proptest::prelude::*;

fn read_everything(frame: &[u8]) {
    let Ok(ethernet) = Ethernet::parse(frame) else { return };
    let _ = Arp::parse(&ethernet);
    let _ = Neighbour::parse(&ethernet);
    if let Ok(packet) = Packet::parse(&ethernet) {
        let _ = Advertisement::parse(&packet);
    }
}

fn mac() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(MacAddress)
}

/// A frame of one of the kinds, whole.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        arp().prop_map(|arp| arp.to_frame()),
        (mac(), any::<[u8; 16]>()).prop_map(|(mac, target)| Neighbour::probe(mac, target.into()).to_frame().unwrap()),
        (mac(), any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(mac, source, target)| {
            Neighbour::Advertisement { source: source.into(), mac, target: target.into() }.to_frame().unwrap()
        }),
        (advertisement(), mac()).prop_map(|((sent, source, destination), mac)| sent.to_frame(mac, source, destination, mac).unwrap()),
    ]
}

fn arp() -> impl Strategy<Value = Arp> {
    let operation = prop_oneof![Just(ArpOperation::Request), Just(ArpOperation::Reply)];
    (operation, mac(), any::<[u8; 4]>(), mac(), any::<[u8; 4]>()).prop_map(|(operation, sender_mac, sender, target_mac, target)| Arp {
        operation,
        sender_mac,
        sender: sender.into(),
        target_mac,
        target: target.into(),
    })
}

/// An advertisement, its source and its destination.
fn advertisement() -> impl Strategy<Value = (Advertisement, IpAddr, IpAddr)> {
    let v4 = || any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = || any::<[u8; 16]>().prop_map(IpAddr::from);
    let second = (Just(VrrpVersion::V2), prop::collection::vec(v4(), 0..20), (1..=255_u64).prop_map(Duration::from_secs), v4(), v4());
    let centiseconds = || (1..=0xfff_u64).prop_map(|time| Duration::from_millis(time * 10));
    let third = (Just(VrrpVersion::V3), prop::collection::vec(v4(), 0..20), centiseconds(), v4(), Just(IpAddr::V4(GROUP_V4)));
    let sixth = (Just(VrrpVersion::V3), prop::collection::vec(v6(), 0..20), centiseconds(), v6(), Just(IpAddr::V6(GROUP_V6)));
    (1..=255_u8, any::<u8>(), prop_oneof![second, third, sixth]).prop_map(|(vrid, priority, (version, addresses, interval, source, to))| {
        (Advertisement { version, vrid: Vrid(vrid), priority, addresses, interval }, source, to)
    })
}

proptest! {
    #[test]
    fn no_bytes_are_too_wild(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        read_everything(&bytes);
    }

    #[test]
    fn nor_are_damaged_frames(mut bytes in frame(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value: u8) {
        let place = at.index(bytes.len());
        bytes[place] = value;
        read_everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_everything(&bytes);
    }

    #[test]
    fn arp_goes_there_and_back(sent in arp()) {
        let mut bytes = sent.to_frame();
        // The wire fills short frames up.
        bytes.resize(60, 0);
        prop_assert_eq!(Arp::parse(&Ethernet::parse(&bytes).unwrap()), Ok(sent));
    }

    #[test]
    fn vrrp_goes_there_and_back((sent, source, destination) in advertisement(), mac in mac()) {
        let bytes = sent.to_frame(mac, source, destination, mac).unwrap();
        let packet = Packet::parse(&Ethernet::parse(&bytes).unwrap());
        let packet = packet.unwrap();
        prop_assert_eq!(Advertisement::parse(&packet), Ok(sent));
        prop_assert_eq!((packet.source, packet.destination, packet.hop_limit), (source, destination, 255));
    }
}
