//! Works the flows out, by subject.

mod access;
mod control;
mod extra;
mod outside;
mod pods;

use barque_model::{Host, PortRange};
use ipnet::Ipv4Net;

pub(crate) use access::flows as access;
pub(crate) use control::flows as control;
pub(crate) use extra::flows as extra;
pub(crate) use outside::flows as outside;
pub(crate) use pods::flows as pods;

use crate::flow::Party;

const fn port(number: u16) -> PortRange {
    PortRange { first: number, last: number }
}

fn networks(networks: &[Ipv4Net]) -> Vec<Party> {
    networks.iter().map(|network| Party::Network((*network).into())).collect()
}

fn parties<'a>(hosts: impl Iterator<Item = &'a Host>) -> Vec<Party> {
    hosts.map(|host| Party::Host(host.name.clone())).collect()
}
