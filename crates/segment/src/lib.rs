//! What is spoken on a network segment: who holds an address, who speaks VRRP.
//!
//! [`wire`] is pure: frames from bytes and back. [`survey`] opens packet sockets on one interface and needs root. Nothing is sent but
//! address probes, which change no cache of any host (RFC 5227, section 1.1; RFC 4862, section 5.4.2).

mod arp_cache;
mod error;
mod filter;
mod interface;
mod listen;
mod packet_socket;
mod probe;
mod report;
mod survey;
pub mod wire;

pub use error::SegmentError;
pub use probe::PROBE_TIME;
pub use report::{AddressReport, Holder, SegmentQuestion, SegmentReport, Speaker};
pub use survey::survey;
pub use wire::MacAddress;
