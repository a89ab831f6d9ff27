//! From what was found on a segment to what is wrong there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use barque_model::{Cluster, Component, Host, HostName, LoadBalancer, VridOrigin};
use barque_segment::{MacAddress, SegmentReport, Speaker};

use super::ask::Reports;
use super::choice::first_free;
use super::machines::Machines;
use super::{SegmentFinding, SegmentKind};

/// What was found on the segments of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The cluster, with its virtual router identifier settled.
    pub(crate) cluster: &'a Cluster,
    /// From balancers: who has the VIP and who speaks VRRP. Empty when nobody asked.
    pub(crate) balancers: &'a Reports,
    /// From all hosts: who else has their addresses. Empty when nobody asked.
    pub(crate) hosts: &'a Reports,
    /// Whether a balancer has been told to hold the VIP.
    pub(crate) deployed: bool,
}

/// Everything that is wrong, hosts in the order of the cluster file.
pub(crate) fn judge(found: Found<'_>) -> Vec<SegmentFinding> {
    let cluster = found.cluster;
    let machines = Machines::new(cluster, &[found.balancers, found.hosts]);
    let mut findings = Vec::new();
    if let Some(balancer) = &cluster.load_balancer {
        outside(cluster, balancer, found.balancers, &mut findings);
        holders(found, balancer, &machines, &mut findings);
        speakers(found, balancer, &machines, &mut findings);
    }
    for host in &cluster.hosts {
        if let Some(report) = found.hosts.get(&host.name) {
            conflict(host, report, &machines, &mut findings);
        }
    }
    findings
}

/// The balancers that hold the VIP, by what they and their neighbours say.
pub(crate) fn vip_holders<'a>(cluster: &'a Cluster, reports: &'a Reports) -> BTreeSet<&'a HostName> {
    let Some(balancer) = &cluster.load_balancer else { return BTreeSet::new() };
    let machines = Machines::new(cluster, &[reports]);
    let mut holders = BTreeSet::new();
    for (host, report) in reports {
        for answer in report.addresses.iter().filter(|answer| answer.address == balancer.vip) {
            holders.extend(answer.here.then_some(host));
            holders.extend(answer.holders.iter().filter_map(|holder| machines.balancer(holder.mac)));
        }
    }
    holders
}

/// The reports of balancers, in file order.
fn in_order<'a>(cluster: &'a Cluster, reports: &'a Reports) -> impl Iterator<Item = (&'a Host, &'a SegmentReport)> {
    cluster.running(Component::Keepalived).filter_map(|host| Some((host, reports.get(&host.name)?)))
}

fn outside(cluster: &Cluster, balancer: &LoadBalancer, reports: &Reports, findings: &mut Vec<SegmentFinding>) {
    for (host, report) in in_order(cluster, reports) {
        // An address with a full prefix, such as the VIP itself, is no network.
        let networks: Vec<String> = report
            .networks
            .iter()
            .filter(|network| network.addr().is_ipv4() == balancer.vip.is_ipv4() && network.prefix_len() < network.max_prefix_len())
            .map(|network| network.trunc().to_string())
            .collect();
        let contains = |network: &ipnet::IpNet| network.prefix_len() < network.max_prefix_len() && network.contains(&balancer.vip);
        if report.networks.iter().any(contains) {
            continue;
        }
        let has = if networks.is_empty() { "no network".to_owned() } else { networks.join(", ") };
        findings.push(SegmentFinding {
            kind: SegmentKind::VipOutside,
            host: host.name.clone(),
            message: format!("the VIP {} lies outside of what its interface {} has: {has}", balancer.vip, report.interface),
            remedy: "give `spec.loadBalancer.vip` a free address of the balancers' own network, or name the interface that has the VIP's network in `spec.loadBalancer.interface`".to_owned(),
        });
    }
}

/// A machine outside of the balancers that has the VIP, and who saw it first.
struct Stranger<'a> {
    seen_by: &'a Host,
    interface: &'a str,
    also: BTreeSet<IpAddr>,
}

fn holders(found: Found<'_>, balancer: &LoadBalancer, machines: &Machines<'_>, findings: &mut Vec<SegmentFinding>) {
    let (cluster, vip) = (found.cluster, balancer.vip);
    let ours = vip_holders(cluster, found.balancers);
    let mut strangers: BTreeMap<MacAddress, Stranger<'_>> = BTreeMap::new();
    for (host, report) in in_order(cluster, found.balancers) {
        let answers = report.addresses.iter().filter(|answer| answer.address == vip).flat_map(|answer| &answer.holders);
        for holder in answers.filter(|holder| machines.balancer(holder.mac).is_none()) {
            let stranger = || Stranger { seen_by: host, interface: &report.interface, also: BTreeSet::new() };
            strangers.entry(holder.mac).or_insert_with(stranger).also.extend(&holder.also);
        }
    }
    let ours_in_words = || {
        let words = ours.iter().map(|name| {
            let mac = found.balancers.get(*name).map(|report| format!("{}, ", report.mac)).unwrap_or_default();
            let address = cluster.host(name).map(|host| host.address.to_string()).unwrap_or_default();
            format!("{name} ({mac}{address})")
        });
        words.collect::<Vec<_>>().join(" and ")
    };
    for (mac, stranger) in &strangers {
        let machine = machines.words(*mac, &stranger.also);
        let message = if ours.is_empty() {
            format!("the VIP {vip} is in use: {machine} answers for it on {}", stranger.interface)
        } else {
            format!("the VIP {vip} is held twice: by {} and by {machine}, which answers for it on {}", ours_in_words(), stranger.interface)
        };
        findings.push(SegmentFinding {
            kind: SegmentKind::VipInUse,
            host: stranger.seen_by.name.clone(),
            message,
            remedy: format!("take {vip} off that machine, or give `spec.loadBalancer.vip` another address"),
        });
    }
    let Some((first, report)) = in_order(cluster, found.balancers).next() else { return };
    if ours.len() > 1 {
        findings.push(SegmentFinding {
            kind: SegmentKind::VipHeldTwice,
            host: first.name.clone(),
            message: format!("the VIP {vip} is held by {} at once", ours_in_words()),
            remedy: format!("see on each that the other's advertisements come in: `tcpdump -ni {} ip proto 112`", report.interface),
        });
    }
    if found.deployed && ours.is_empty() && strangers.is_empty() {
        findings.push(SegmentFinding {
            kind: SegmentKind::VipHeldByNobody,
            host: first.name.clone(),
            message: format!("nobody holds the VIP {vip}: no balancer has it, and no machine answers for it on {}", report.interface),
            remedy: "look at `journalctl -u keepalived -n 50` and `systemctl status haproxy` on the balancers".to_owned(),
        });
    }
}

fn speakers(found: Found<'_>, balancer: &LoadBalancer, machines: &Machines<'_>, findings: &mut Vec<SegmentFinding>) {
    let mut told: BTreeSet<(MacAddress, IpAddr)> = BTreeSet::new();
    for (host, report) in in_order(found.cluster, found.balancers) {
        for speaker in &report.speakers {
            // The identifiers of IPv4 and IPv6 are apart (RFC 9568, section 1.6).
            let same = speaker.vrid == balancer.vrid && speaker.source.is_ipv4() == balancer.vip.is_ipv4();
            if same && machines.is_foreign(speaker) && told.insert((speaker.mac, speaker.source)) {
                let free = first_free(balancer.vrid, &machines.taken(found.balancers));
                findings.push(SegmentFinding {
                    kind: SegmentKind::VridInUse,
                    host: host.name.clone(),
                    message: format!("VRID {} is in use: {} on {}", balancer.vrid.0, speaker_in_words(speaker, machines), report.interface),
                    remedy: vrid_remedy(balancer, free.0),
                });
            }
        }
    }
}

fn vrid_remedy(balancer: &LoadBalancer, free: u8) -> String {
    match balancer.vrid_origin {
        VridOrigin::Written => {
            format!(
                "write `vrid: {free}` in `spec.loadBalancer`, which nobody was heard to speak, or `vrid: auto`; or give the other router another one"
            )
        }
        // It is held already, so `auto` stays with it.
        VridOrigin::Automatic => {
            format!("write `vrid: {free}` in `spec.loadBalancer`, which nobody was heard to speak, or give the other router another one")
        }
    }
}

fn speaker_in_words(speaker: &Speaker, machines: &Machines<'_>) -> String {
    let machine = machines.words(speaker.mac, &BTreeSet::from([speaker.source]));
    let addresses: Vec<String> = speaker.addresses.iter().map(ToString::to_string).collect();
    let held = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
    let (version, priority) = (speaker.version.number(), speaker.priority);
    format!("{machine} speaks VRRP {version} for {held} with priority {priority}")
}

fn conflict(host: &Host, report: &SegmentReport, machines: &Machines<'_>, findings: &mut Vec<SegmentFinding>) {
    for answer in report.addresses.iter().filter(|answer| answer.address == host.address) {
        for holder in &answer.holders {
            let machine = machines.words(holder.mac, &holder.also.iter().copied().collect());
            findings.push(SegmentFinding {
                kind: SegmentKind::AddressConflict,
                host: host.name.clone(),
                message: format!("its address {} is not its alone: {machine} answers for it on {}", host.address, report.interface),
                remedy: "give that machine another address".to_owned(),
            });
        }
    }
}
