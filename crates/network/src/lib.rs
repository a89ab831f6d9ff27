//! The network plan worked out: what the ranges of a cluster file give, what they collide with, what is free, and a picture of it all.
//!
//! IPv4, IPv6 and both together, although a cluster file takes IPv4 only in this version. Nothing here does IO.

mod fault;
mod faults;
mod growth;
mod input;
mod mtu;
mod occupant;
mod picture;
mod plan;
mod pods;
mod ports;
mod proposals;
mod propose;
mod range;
mod services;
mod topology;

pub use fault::{Fault, Finding, Severity};
pub use growth::{Growth, WiderPods};
pub use input::NetworkInput;
pub use mtu::{MtuPlan, USUAL_LINK_MTU, mtu_plan, overhead};
pub use occupant::{Collision, Occupant, Occupied, Special, collisions, docker_bridge, is_own_interface, merged, special};
pub use picture::{End, Link, picture};
pub use plan::{NetworkPlan, NodePortPlan, work_out};
pub use pods::{MAX_BLOCK_BITS, MIN_HOST_BITS, PodPlan, PodRange, RESERVED_V4, RESERVED_V6};
pub use ports::{COMPONENT_PORTS, InvalidPorts, contains_port, parse_ports, port_count};
pub use proposals::around;
pub use propose::{NoFreeRange, Proposal, Purpose, free_range, propose};
pub use range::{Count, Family, InvalidRange, overlap, parse_range};
pub use services::{Band, DNS_INDEX, MAX_SERVICE_BITS, MIN_SERVICE_BITS, ServicePlan, possible_service_prefixes, service_plan};
pub use topology::{Member, Topology};
