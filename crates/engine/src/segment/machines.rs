//! Which machine a hardware address belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use barque_model::{Cluster, Component, Host, HostName, Vrid};
use barque_segment::{MacAddress, Speaker};

use super::ask::Reports;

/// The cluster's hosts by hardware address.
pub(crate) struct Machines<'a> {
    cluster: &'a Cluster,
    known: BTreeMap<MacAddress, &'a Host>,
}

impl<'a> Machines<'a> {
    /// Hosts that answer name their own hardware addresses. A balancer that does not answer barque may still answer ARP: it is the one
    /// that has its address.
    pub(crate) fn new(cluster: &'a Cluster, reports: &[&Reports]) -> Self {
        let mut known = BTreeMap::new();
        for host in &cluster.hosts {
            let own: Vec<MacAddress> =
                reports.iter().filter_map(|reports| reports.get(&host.name)).flat_map(|report| report.own_macs.clone()).collect();
            known.extend(own.iter().map(|mac| (*mac, host)));
            if own.is_empty() {
                let answers = reports.iter().flat_map(|reports| reports.values()).flat_map(|report| &report.addresses);
                let holders = answers.filter(|answer| answer.address == host.address).flat_map(|answer| &answer.holders);
                known.extend(holders.map(|holder| (holder.mac, host)));
            }
        }
        Self { cluster, known }
    }

    /// The host with that hardware address.
    pub(crate) fn host(&self, mac: MacAddress) -> Option<&'a Host> {
        self.known.get(&mac).copied()
    }

    /// The balancer with that hardware address.
    pub(crate) fn balancer(&self, mac: MacAddress) -> Option<&'a HostName> {
        self.host(mac).filter(|host| host.runs(Component::Keepalived)).map(|host| &host.name)
    }

    /// Whether a speaker is no balancer of the cluster. One of which nothing but its address is known is taken at its word.
    pub(crate) fn is_foreign(&self, speaker: &Speaker) -> bool {
        if self.balancer(speaker.mac).is_some() {
            return false;
        }
        let claimed = self.cluster.running(Component::Keepalived).find(|host| host.address == speaker.source);
        claimed.is_none_or(|host| self.known.values().any(|known| known.name == host.name))
    }

    /// The identifiers that others speak, of either family.
    pub(crate) fn taken(&self, reports: &Reports) -> BTreeSet<Vrid> {
        let speakers = reports.values().flat_map(|report| &report.speakers);
        speakers.filter(|speaker| self.is_foreign(speaker)).map(|speaker| speaker.vrid).collect()
    }

    /// Words for a machine: a host's name, or that it is another one; its hardware address; the addresses that it is known by.
    pub(crate) fn words(&self, mac: MacAddress, addresses: &BTreeSet<IpAddr>) -> String {
        let name = self.host(mac).map_or_else(|| "another machine".to_owned(), |host| host.name.to_string());
        let known = std::iter::once(mac.to_string()).chain(addresses.iter().map(ToString::to_string));
        format!("{name} ({})", known.collect::<Vec<_>>().join(", "))
    }
}
