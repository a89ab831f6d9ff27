//! The interface behind which the segment lies.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::ifaddrs::InterfaceAddress;
use nix::sys::socket::{LinkAddr, SockaddrStorage};

use crate::{MacAddress, SegmentError};

/// `ARPHRD_ETHER` of linux/if_arp.h.
const ETHERNET: u16 = 1;

/// An Ethernet interface of this host.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) mac: MacAddress,
    /// What a packet socket is bound to.
    pub(crate) link: LinkAddr,
}

/// This host's interfaces and addresses, as they are now.
#[derive(Debug)]
pub(crate) struct Interfaces(Vec<InterfaceAddress>);

impl Interfaces {
    pub(crate) fn read() -> Result<Self, SegmentError> {
        let found = nix::ifaddrs::getifaddrs().map_err(|errno| SegmentError::Interfaces(io::Error::from(errno)))?;
        Ok(Self(found.collect()))
    }

    /// The interface with that name.
    pub(crate) fn named(&self, name: &str) -> Result<Interface, SegmentError> {
        let link = self.0.iter().filter(|entry| entry.interface_name == name).find_map(link).copied();
        let link = link.ok_or_else(|| SegmentError::NoInterface(name.to_owned()))?;
        let not_ethernet = || SegmentError::NotEthernet(name.to_owned());
        let mac = ethernet(&link).ok_or_else(not_ethernet)?;
        let index = u32::try_from(link.ifindex()).map_err(|_| not_ethernet())?;
        Ok(Interface { name: name.to_owned(), index, mac, link })
    }

    /// The interface that has `address`: of several the first that is an Ethernet, for the loopback may have it too.
    pub(crate) fn with(&self, address: IpAddr) -> Result<Interface, SegmentError> {
        let mut refusal = SegmentError::NoAddress(address);
        for entry in self.0.iter().filter(|entry| address_of(entry) == Some(address)) {
            match self.named(&entry.interface_name) {
                Ok(interface) => return Ok(interface),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Whether an interface has `address`.
    pub(crate) fn have(&self, address: IpAddr) -> bool {
        self.0.iter().any(|entry| address_of(entry) == Some(address))
    }

    /// The addresses of the interface with that name, each with its prefix.
    pub(crate) fn networks(&self, name: &str) -> Vec<IpNet> {
        self.0.iter().filter(|entry| entry.interface_name == name).filter_map(network_of).collect()
    }

    /// Hardware addresses of all Ethernet interfaces.
    pub(crate) fn macs(&self) -> BTreeSet<MacAddress> {
        self.0.iter().filter_map(link).filter_map(ethernet).collect()
    }
}

fn link(entry: &InterfaceAddress) -> Option<&LinkAddr> {
    entry.address.as_ref()?.as_link_addr()
}

fn ethernet(link: &LinkAddr) -> Option<MacAddress> {
    (link.hatype() == ETHERNET && link.halen() == 6).then(|| link.addr().map(MacAddress))?
}

fn address_of(entry: &InterfaceAddress) -> Option<IpAddr> {
    address(entry.address.as_ref()?)
}

fn network_of(entry: &InterfaceAddress) -> Option<IpNet> {
    IpNet::with_netmask(address_of(entry)?, address(entry.netmask.as_ref()?)?).ok()
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|socket| IpAddr::V4(socket.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|socket| IpAddr::V6(socket.ip())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_ethernet_is_told_apart() {
        let interfaces = Interfaces::read().unwrap();
        assert!(interfaces.have([127, 0, 0, 1].into()));
        assert!(interfaces.networks("lo").contains(&"127.0.0.1/8".parse().unwrap()));
        assert!(matches!(interfaces.with([127, 0, 0, 1].into()), Err(SegmentError::NotEthernet(name)) if name == "lo"));
        assert!(matches!(interfaces.named("absent0"), Err(SegmentError::NoInterface(_))));
        assert!(matches!(interfaces.with([192, 0, 2, 77].into()), Err(SegmentError::NoAddress(_))));
        assert!(!interfaces.macs().contains(&MacAddress::ZERO));
    }
}
