//! What could be chosen instead of a range that is wrong.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::input::NetworkInput;
use crate::occupant::{Occupant, Occupied, special};
use crate::propose::{Purpose, free_range, is_private};
use crate::range::{Family, overlap};

/// Prefix of what is left alone around an address whose network is not known.
const AROUND_V4: u8 = 16;
/// The same for IPv6: a site's usual prefix.
const AROUND_V6: u8 = 48;

/// Finds ranges in nobody's way, each of them once.
#[derive(Debug)]
pub(crate) struct Proposals {
    taken: Vec<IpNet>,
}

impl Proposals {
    /// Around everything that the input names.
    pub(crate) fn new(input: &NetworkInput) -> Self {
        let chosen = input.pods.iter().map(|pods| pods.range).chain(input.services.iter().copied());
        let taken = input.occupied.iter().map(surroundings).chain(special().map(|special| special.network)).chain(chosen);
        Self { taken: taken.collect() }
    }

    /// A range beside what is chosen; it is not free any more.
    pub(crate) fn more(&mut self, family: Family, prefix: u8, purpose: Purpose) -> Option<IpNet> {
        let range = free_range(family, prefix, purpose, &self.taken)?;
        self.taken.push(range);
        Some(range)
    }

    /// A range in the place of `own`: the one around it where that is possible. `own` stays taken for what is proposed later, so that each
    /// proposal is right whether or not the others are followed.
    pub(crate) fn instead(&mut self, own: IpNet, prefix: u8, purpose: Purpose) -> Option<IpNet> {
        let others: Vec<IpNet> = self.taken.iter().copied().filter(|range| *range != own).collect();
        let around = IpNet::new(own.addr(), prefix).ok()?.trunc();
        let is_free = prefix < own.prefix_len() && is_private(around) && !others.iter().any(|taken| overlap(*taken, around));
        let range = if is_free { around } else { free_range(Family::of(own), prefix, purpose, &others)? };
        self.taken.push(range);
        Some(range)
    }
}

/// The network in which an occupant probably lies.
pub(crate) fn surroundings(occupied: &Occupied) -> IpNet {
    match occupied.occupant {
        Occupant::Host { .. } | Occupant::Vip => around(occupied.network.addr()),
        _ => occupied.network,
    }
}

/// What is left alone around an address whose network is not known.
pub fn around(address: IpAddr) -> IpNet {
    let prefix = if address.is_ipv4() { AROUND_V4 } else { AROUND_V6 };
    IpNet::new(address, prefix).map_or_else(|_| address.into(), |network| network.trunc())
}
