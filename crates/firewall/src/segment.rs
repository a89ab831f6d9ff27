//! Network segments: which hosts share a subnet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use barque_model::{Cluster, HostName};
use ipnet::IpNet;

/// Prefix length of an IPv4 segment where nobody knows better.
pub const DEFAULT_PREFIX: u8 = 24;
/// The same for IPv6.
const DEFAULT_PREFIX_V6: u8 = 64;

/// Subnets with the hosts in them, in the order of their addresses. They do not overlap, and each host is in exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments(Vec<(IpNet, Vec<HostName>)>);

impl Segments {
    /// The subnets with their hosts, which are in the order of the cluster file.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &[HostName])> {
        self.0.iter().map(|(network, hosts)| (*network, hosts.as_slice()))
    }

    /// The subnet of `host`.
    pub fn of_host(&self, host: &HostName) -> Option<IpNet> {
        self.iter().find(|(_, hosts)| hosts.contains(host)).map(|(network, _)| network)
    }

    /// The subnet in which `network` lies as a whole.
    pub fn around(&self, network: IpNet) -> Option<IpNet> {
        self.iter().map(|(segment, _)| segment).find(|segment| segment.contains(&network))
    }
}

/// Groups the hosts of `cluster` by subnet.
///
/// The cluster file has addresses only. `prefixes` holds the prefix lengths that are known, from 0 to 32 (IPv6: 128; longer ones count as
/// these); `default` is used for IPv4 hosts that are not in it, 64 for IPv6. Of two subnets that overlap the larger one takes the hosts of both.
pub fn segments(cluster: &Cluster, prefixes: &BTreeMap<HostName, u8>, default: u8) -> Segments {
    let network = |address: IpAddr, name: &HostName| {
        let usual = if address.is_ipv4() { default } else { DEFAULT_PREFIX_V6 };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefixes.get(name).copied().unwrap_or(usual).min(longest);
        IpNet::new(address, prefix).map_or_else(|_| IpNet::from(address), |network| network.trunc())
    };
    let mut networks: Vec<IpNet> = cluster.hosts.iter().map(|host| network(host.address, &host.name)).collect();
    networks.sort();
    networks.dedup();
    let outer: Vec<IpNet> = networks.iter().copied().filter(|one| !networks.iter().any(|two| two != one && two.contains(one))).collect();
    let hosts = |segment: &IpNet| -> Vec<HostName> {
        cluster.hosts.iter().filter(|host| segment.contains(&host.address)).map(|host| host.name.clone()).collect()
    };
    Segments(outer.iter().map(|segment| (*segment, hosts(segment))).collect())
}
