//! Frames from bytes and back, without IO. Malformed bytes are a [`FrameFault`], never a panic.

mod arp;
mod checksum;
mod ethernet;
mod fault;
mod internet;
mod mac;
mod neighbour;
mod vrrp;

pub use arp::{Arp, ArpOperation};
pub use ethernet::{EtherType, Ethernet};
pub use fault::FrameFault;
pub use internet::{Packet, Protocol};
pub use mac::MacAddress;
pub use neighbour::{Neighbour, solicited_node};
pub use vrrp::{Advertisement, GROUP_V4, GROUP_V6, VrrpVersion};
