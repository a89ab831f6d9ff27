//! Who has which addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use barque_model::HostName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::range::{overlap, single};

/// The bridge that a Docker daemon makes by default (`docker0`).
pub(crate) const DOCKER_BRIDGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 17, 0, 0), 16);

/// Ranges with a meaning of their own (RFC 6890), in which no pod or service can be reached.
const SPECIAL: [(IpNet, Special); 8] = [
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8)), Special::ThisNetwork),
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)), Special::Loopback),
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)), Special::LinkLocal),
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3)), Special::Multicast),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 96)), Special::ThisNetwork),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96)), Special::Mapped),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)), Special::LinkLocal),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)), Special::Multicast),
];

/// Why a range is special.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Special {
    /// "This network" of IPv4; the unspecified address, loopback and IPv4-compatible addresses of IPv6.
    ThisNetwork,
    /// Loopback.
    Loopback,
    /// Link-local.
    LinkLocal,
    /// Multicast, and what is reserved behind it.
    Multicast,
    /// IPv4 addresses written as IPv6.
    Mapped,
}

impl fmt::Display for Special {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::ThisNetwork => "this network",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast and reserved",
            Self::Mapped => "IPv4-mapped",
        })
    }
}

/// Who has a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Occupant {
    /// The cluster's pods.
    Pods,
    /// The cluster's services.
    Services,
    /// A host's own address.
    Host {
        /// The host.
        host: HostName,
    },
    /// The VIP.
    Vip,
    /// The network of an interface.
    Interface {
        /// The interface.
        interface: String,
        /// The hosts that have it, one at least.
        hosts: Vec<HostName>,
    },
    /// A network that hosts have a route to.
    Route {
        /// The hosts, one at least.
        hosts: Vec<HostName>,
    },
    /// Docker's usual bridge, which nobody has seen on a host.
    DockerBridge,
    /// A range with a meaning of its own.
    Special {
        /// Its meaning.
        meaning: Special,
    },
}

/// A range and who has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Occupied {
    /// The range; a single address has its full prefix.
    pub network: IpNet,
    /// Who has it.
    pub occupant: Occupant,
}

impl Occupied {
    /// A range and who has it.
    pub const fn new(network: IpNet, occupant: Occupant) -> Self {
        Self { network, occupant }
    }

    /// One address and who has it.
    pub fn address(address: IpAddr, occupant: Occupant) -> Self {
        Self { network: single(address), occupant }
    }

    /// Whether it is known to be there. Docker's bridge is only likely.
    pub const fn is_certain(&self) -> bool {
        !matches!(self.occupant, Occupant::DockerBridge)
    }
}

impl fmt::Display for Occupied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network;
        match &self.occupant {
            Occupant::Pods => write!(formatter, "the pod range {network}"),
            Occupant::Services => write!(formatter, "the service range {network}"),
            Occupant::Host { host } => write!(formatter, "address {} of host `{host}`", network.addr()),
            Occupant::Vip => write!(formatter, "the VIP {}", network.addr()),
            Occupant::Interface { interface, hosts } => write!(formatter, "the network {network} of {interface} on {}", named(hosts)),
            Occupant::Route { hosts } => write!(formatter, "the network {network} that has a route on {}", named(hosts)),
            Occupant::DockerBridge => write!(formatter, "Docker's usual bridge {network}"),
            Occupant::Special { meaning } => write!(formatter, "{network} ({meaning})"),
        }
    }
}

/// `host `m1``, `hosts `m1`, `m2``, or the first three and how many more.
fn named(hosts: &[HostName]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = hosts.iter().take(SHOWN).map(|host| format!("`{host}`")).collect();
    let plural = if hosts.len() == 1 { "" } else { "s" };
    let more = if hosts.len() > SHOWN { format!(" and {} more", hosts.len() - SHOWN) } else { String::new() };
    format!("host{plural} {}{more}", names.join(", "))
}

/// The same list with one entry for a network that several hosts have alike, in the order of first mention.
pub fn merged(list: impl IntoIterator<Item = Occupied>) -> Vec<Occupied> {
    let mut merged: Vec<Occupied> = Vec::new();
    for item in list {
        let same =
            merged.iter_mut().filter(|other| other.network == item.network).find_map(|other| match (&mut other.occupant, &item.occupant) {
                (Occupant::Interface { interface: one, hosts }, Occupant::Interface { interface: two, hosts: more }) if one == two => {
                    Some((hosts, more))
                }
                (Occupant::Route { hosts }, Occupant::Route { hosts: more }) => Some((hosts, more)),
                _ => None,
            });
        match same {
            Some((hosts, more)) => {
                let new: Vec<HostName> = more.iter().filter(|host| !hosts.contains(host)).cloned().collect();
                hosts.extend(new);
            }
            None => merged.push(item),
        }
    }
    merged
}

/// The ranges that are special everywhere.
pub fn special() -> impl Iterator<Item = Occupied> {
    SPECIAL.into_iter().map(|(network, meaning)| Occupied::new(network, Occupant::Special { meaning }))
}

/// Docker's usual bridge.
pub const fn docker_bridge() -> Occupied {
    Occupied::new(IpNet::V4(DOCKER_BRIDGE), Occupant::DockerBridge)
}

/// Two sides that share addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collision {
    /// The range that can be chosen: pods or services.
    pub chosen: Occupied,
    /// What is in its way.
    pub other: Occupied,
}

/// Every pair of `chosen` and `others` that shares an address, in their order. A default route is in nobody's way.
pub fn collisions(chosen: &[Occupied], others: &[Occupied]) -> Vec<Collision> {
    let mut found = Vec::new();
    for chosen in chosen {
        for other in others.iter().filter(|other| other.network.prefix_len() > 0 || matches!(other.occupant, Occupant::Special { .. })) {
            if overlap(chosen.network, other.network) {
                found.push(Collision { chosen: chosen.clone(), other: other.clone() });
            }
        }
    }
    found
}

/// Whether an interface is one that the cluster itself makes on its hosts, so that its network is no stranger's.
///
/// flannel's device and the pods' bridge; the hosts' ends of pods' interfaces; kube-proxy's; loopback.
pub fn is_own_interface(name: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    matches!(name, "lo" | "cni0" | "kube-ipvs0" | "kube-bridge")
        || name.starts_with("veth")
        || ["flannel.", "flannel-v6."].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(digits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn range(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn both_sides_are_named() {
        let pods = Occupied::new(range("10.0.0.0/8"), Occupant::Pods);
        let m1 = || "m1".parse().unwrap();
        let others = [
            Occupied::new(range("10.96.0.0/16"), Occupant::Services),
            Occupied::address("10.1.2.3".parse().unwrap(), Occupant::Host { host: m1() }),
            Occupied::address("11.1.2.3".parse().unwrap(), Occupant::Vip),
            Occupied::new(range("10.9.0.0/24"), Occupant::Interface { interface: "eth1".into(), hosts: vec![m1()] }),
            Occupied::new(range("0.0.0.0/0"), Occupant::Route { hosts: vec![m1()] }),
            Occupied::new(range("10.0.0.0/7"), Occupant::Route { hosts: vec![m1()] }),
            docker_bridge(),
        ];
        let found = collisions(&[pods], &others);
        let words: Vec<String> = found.iter().map(|found| found.other.to_string()).collect();
        assert_eq!(
            words,
            [
                "the service range 10.96.0.0/16",
                "address 10.1.2.3 of host `m1`",
                "the network 10.9.0.0/24 of eth1 on host `m1`",
                "the network 10.0.0.0/7 that has a route on host `m1`",
            ]
        );
    }

    #[test]
    fn a_network_of_many_hosts_is_one_entry() {
        let docker = |host: &str| {
            Occupied::new(range("172.17.0.0/16"), Occupant::Interface { interface: "docker0".into(), hosts: vec![host.parse().unwrap()] })
        };
        let route = Occupied::new(range("172.17.0.0/16"), Occupant::Route { hosts: vec!["m1".parse().unwrap()] });
        let list = merged([docker("m1"), route, docker("m2"), docker("m1"), docker("n1"), docker("n2")]);
        let words: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "the network 172.17.0.0/16 of docker0 on hosts `m1`, `m2`, `n1` and 1 more",
                "the network 172.17.0.0/16 that has a route on host `m1`"
            ]
        );
    }

    #[test]
    fn special_ranges_are_in_the_way() {
        let special: Vec<Occupied> = special().collect();
        let meaning = |text: &str| {
            let found = collisions(&[Occupied::new(range(text), Occupant::Services)], &special);
            found.first().map(|found| found.other.to_string())
        };
        assert_eq!(meaning("169.254.10.0/24").unwrap(), "169.254.0.0/16 (link-local)");
        assert_eq!(meaning("239.0.0.0/16").unwrap(), "224.0.0.0/3 (multicast and reserved)");
        assert_eq!(meaning("fe80::/64").unwrap(), "fe80::/10 (link-local)");
        assert_eq!(meaning("::/0").unwrap(), "::/96 (this network)");
        assert_eq!([meaning("10.0.0.0/8"), meaning("fd00::/64"), meaning("2001:db8::/108")], [None, None, None]);
    }

    #[test]
    fn own_interfaces_are_known() {
        assert!(["lo", "cni0", "flannel.1", "flannel-v6.1", "veth12ab"].into_iter().all(is_own_interface));
        assert!(!["eth0", "docker0", "flannel.x", "br-1234", "cni1"].into_iter().any(is_own_interface));
    }
}
