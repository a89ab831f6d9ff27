//! What is asked of a segment, and what was found on it.

use std::net::IpAddr;
use std::time::Duration;

use barque_model::Vrid;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::MacAddress;
use crate::wire::VrrpVersion;

/// What is asked of the segment behind one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentQuestion {
    /// The interface; `None` means the one that has `own`.
    pub interface: Option<String>,
    /// An address of this host.
    pub own: IpAddr,
    /// Addresses whose holders are asked for.
    pub addresses: Vec<IpAddr>,
    /// How long VRRP is listened to; `None` only asks for addresses.
    pub listen: Option<Duration>,
}

/// What was found on the segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentReport {
    /// The interface.
    pub interface: String,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its addresses with their prefixes.
    pub networks: Vec<IpNet>,
    /// Hardware addresses of all interfaces of this host: each may answer for any of its addresses.
    pub own_macs: Vec<MacAddress>,
    /// The addresses asked for, in the order of the question.
    pub addresses: Vec<AddressReport>,
    /// Who speaks VRRP, by hardware address, source and VRID; this host itself is not heard.
    pub speakers: Vec<Speaker>,
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// Whether an interface of this host has it.
    pub here: bool,
    /// Others that answer for it, by hardware address.
    pub holders: Vec<Holder>,
}

/// A machine that answers for an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its hardware address.
    pub mac: MacAddress,
    /// Other IPv4 addresses of the same machine, as far as this host knows them.
    pub also: Vec<IpAddr>,
}

/// A machine that speaks VRRP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Speaker {
    /// Its hardware address: the sender of the frame.
    pub mac: MacAddress,
    /// Its address: the source of the packet.
    pub source: IpAddr,
    /// The virtual router that it speaks for.
    pub vrid: Vrid,
    /// Version of the protocol.
    pub version: VrrpVersion,
    /// Its priority, 0 to 255.
    pub priority: u8,
    /// The addresses that it holds.
    pub addresses: Vec<IpAddr>,
    /// Time between two advertisements.
    pub interval: Duration,
    /// Whether it speaks to single receivers, not to the group.
    pub unicast: bool,
}
