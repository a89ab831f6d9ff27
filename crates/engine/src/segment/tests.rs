//! From reports to findings.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barque_model::{AcceptedCheck, CheckId, Cluster, Vrid, VridOrigin};
use barque_render::DeployedBalancer;
use barque_segment::wire::VrrpVersion;
use barque_segment::{AddressReport, Holder, MacAddress, SegmentReport, Speaker};

use super::ask::Reports;
use super::choice::{Choice, first_free, with_vrid};
use super::judge::{Found, judge, vip_holders};
use super::machines::Machines;
use super::{SegmentFinding, SegmentKind};
use crate::testing;

/// The article's layout, with the VIP and VRID set.
fn cluster() -> Cluster {
    let mut cluster = with_vrid(&testing::cluster(), Vrid(51));
    cluster.load_balancer.as_mut().unwrap().vrid_origin = VridOrigin::Written;
    cluster
}

fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

/// Hardware addresses of the balancers.
const LB1: u8 = 0x11;
const LB2: u8 = 0x12;
const STRANGER: u8 = 0x99;

/// A balancer's report in which nothing is wrong: it holds the VIP or not, and its peer answers.
fn report(cluster: &Cluster, index: usize, holds: bool) -> SegmentReport {
    let balancers: Vec<_> = cluster.running(barque_model::Component::Keepalived).collect();
    let (own, peer) = (index, 1 - index);
    let macs = [LB1, LB2];
    let vip = cluster.load_balancer.as_ref().unwrap().vip;
    let holder = |last: u8| Holder { mac: mac(last), also: Vec::new() };
    let network = format!("{}/24", balancers[own].address).parse().unwrap();
    SegmentReport {
        interface: "eth0".into(),
        mac: mac(macs[own]),
        networks: vec![network, format!("{vip}/32").parse().unwrap()],
        own_macs: vec![mac(macs[own])],
        addresses: vec![
            AddressReport { address: vip, here: holds, holders: if holds { Vec::new() } else { vec![holder(macs[peer])] } },
            AddressReport { address: balancers[peer].address, here: false, holders: vec![holder(macs[peer])] },
        ],
        speakers: Vec::new(),
    }
}

/// Both balancers well, the first with the VIP.
fn healthy(cluster: &Cluster) -> Reports {
    let names = cluster.running(barque_model::Component::Keepalived).map(|host| host.name.clone());
    names.enumerate().map(|(index, name)| (name, report(cluster, index, index == 0))).collect()
}

/// Nobody has the VIP.
fn fresh(cluster: &Cluster) -> Reports {
    let mut reports = healthy(cluster);
    for report in reports.values_mut() {
        report.addresses[0].here = false;
        report.addresses[0].holders.clear();
    }
    reports
}

fn speaker(cluster: &Cluster, last: u8, source: &str, vrid: u8) -> Speaker {
    Speaker {
        mac: mac(last),
        source: source.parse().unwrap(),
        vrid: Vrid(vrid),
        version: VrrpVersion::V2,
        priority: 100,
        addresses: vec![cluster.load_balancer.as_ref().unwrap().vip],
        interval: Duration::from_secs(1),
        unicast: false,
    }
}

fn judged(cluster: &Cluster, balancers: &Reports, deployed: bool) -> Vec<SegmentFinding> {
    judge(Found { cluster, balancers, hosts: &Reports::new(), deployed })
}

fn shown(findings: &[SegmentFinding]) -> String {
    let lines = findings.iter().map(|finding| format!("{:?} {}: {}\n  {}", finding.kind, finding.host, finding.message, finding.remedy));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_healthy_segment_gives_nothing() {
    let cluster = cluster();
    assert_eq!(judged(&cluster, &healthy(&cluster), true), []);
    assert_eq!(judged(&cluster, &fresh(&cluster), false), []);
    assert_eq!(vip_holders(&cluster, &healthy(&cluster)).into_iter().map(ToString::to_string).collect::<Vec<_>>(), ["lb1"]);
}

#[test]
fn a_vip_on_another_machine_is_in_use() {
    let cluster = cluster();
    let mut reports = fresh(&cluster);
    let also = vec!["10.0.0.77".parse().unwrap()];
    for report in reports.values_mut() {
        report.addresses[0].holders = vec![Holder { mac: mac(STRANGER), also: also.clone() }];
    }
    insta::assert_snapshot!(shown(&judged(&cluster, &reports, false)), @r"
    VipInUse lb1: the VIP 192.0.2.10 is in use: another machine (02:00:00:00:00:99, 10.0.0.77) answers for it on eth0
      take 192.0.2.10 off that machine, or give `spec.loadBalancer.vip` another address
    ");
}

#[test]
fn a_vip_that_is_taken_later_is_held_twice() {
    let cluster = cluster();
    let mut reports = healthy(&cluster);
    for report in reports.values_mut() {
        report.addresses[0].holders.push(Holder { mac: mac(STRANGER), also: Vec::new() });
    }
    insta::assert_snapshot!(shown(&judged(&cluster, &reports, true)), @r"
    VipInUse lb1: the VIP 192.0.2.10 is held twice: by lb1 (02:00:00:00:00:11, 192.0.2.21) and by another machine (02:00:00:00:00:99), which answers for it on eth0
      take 192.0.2.10 off that machine, or give `spec.loadBalancer.vip` another address
    ");
}

#[test]
fn two_balancers_with_the_vip_and_none_at_all() {
    let cluster = cluster();
    let both: Reports = healthy(&cluster)
        .into_iter()
        .map(|(name, mut report)| {
            report.addresses[0].here = true;
            (name, report)
        })
        .collect();
    insta::assert_snapshot!(shown(&judged(&cluster, &both, true)), @r"
    VipHeldTwice lb1: the VIP 192.0.2.10 is held by lb1 (02:00:00:00:00:11, 192.0.2.21) and lb2 (02:00:00:00:00:12, 192.0.2.22) at once
      see on each that the other's advertisements come in: `tcpdump -ni eth0 ip proto 112`
    ");
    insta::assert_snapshot!(shown(&judged(&cluster, &fresh(&cluster), true)), @r"
    VipHeldByNobody lb1: nobody holds the VIP 192.0.2.10: no balancer has it, and no machine answers for it on eth0
      look at `journalctl -u keepalived -n 50` and `systemctl status haproxy` on the balancers
    ");
}

#[test]
fn a_foreign_speaker_is_named_once() {
    let cluster = cluster();
    let mut reports = fresh(&cluster);
    for report in reports.values_mut() {
        report.speakers = vec![speaker(&cluster, STRANGER, "10.0.0.77", 51), speaker(&cluster, STRANGER, "10.0.0.78", 52)];
    }
    insta::assert_snapshot!(shown(&judged(&cluster, &reports, false)), @r"
    VridInUse lb1: VRID 51 is in use: another machine (02:00:00:00:00:99, 10.0.0.77) speaks VRRP 2 for 192.0.2.10 with priority 100 on eth0
      write `vrid: 53` in `spec.loadBalancer`, which nobody was heard to speak, or `vrid: auto`; or give the other router another one
    ");
    // Another family has identifiers of its own.
    for report in reports.values_mut() {
        report.speakers = vec![speaker(&cluster, STRANGER, "fe80::77", 51)];
    }
    assert_eq!(judged(&cluster, &reports, false), []);
}

#[test]
fn the_clusters_own_keepalived_is_no_stranger() {
    let cluster = cluster();
    let balancers: Vec<_> = cluster.running(barque_model::Component::Keepalived).cloned().collect();
    let mut reports = healthy(&cluster);
    let second = balancers[1].address.to_string();
    reports.get_mut(&balancers[0].name).unwrap().speakers = vec![speaker(&cluster, LB2, &second, 51)];
    assert_eq!(judged(&cluster, &reports, true), []);
    // A balancer that does not answer barque is known by the answer to its address.
    reports.remove(&balancers[1].name);
    assert_eq!(judged(&cluster, &reports, true), []);
    let report = reports.get_mut(&balancers[0].name).unwrap();
    report.addresses[0] =
        AddressReport { here: false, holders: vec![Holder { mac: mac(LB2), also: Vec::new() }], ..report.addresses[0].clone() };
    assert_eq!(judged(&cluster, &reports, true), []);
    assert_eq!(vip_holders(&cluster, &reports).into_iter().map(ToString::to_string).collect::<Vec<_>>(), ["lb2"]);
    // Somebody who speaks with its address from another machine is none of ours.
    reports.get_mut(&balancers[0].name).unwrap().speakers = vec![speaker(&cluster, STRANGER, &second, 51)];
    let kinds: Vec<_> = judged(&cluster, &reports, true).into_iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [SegmentKind::VridInUse]);
    // Of one that answers nothing at all, the address is believed.
    reports.get_mut(&balancers[0].name).unwrap().addresses[1].holders.clear();
    reports.get_mut(&balancers[0].name).unwrap().addresses[0].here = true;
    reports.get_mut(&balancers[0].name).unwrap().addresses[0].holders.clear();
    assert_eq!(judged(&cluster, &reports, true), []);
}

#[test]
fn a_vip_outside_and_a_second_machine_with_a_hosts_address() {
    let mut cluster = cluster();
    cluster.load_balancer.as_mut().unwrap().vip = "172.31.0.9".parse().unwrap();
    insta::assert_snapshot!(shown(&judged(&cluster, &fresh(&cluster), false)), @r"
    VipOutside lb1: the VIP 172.31.0.9 lies outside of what its interface eth0 has: 192.0.2.0/24
      give `spec.loadBalancer.vip` a free address of the balancers' own network, or name the interface that has the VIP's network in `spec.loadBalancer.interface`
    VipOutside lb2: the VIP 172.31.0.9 lies outside of what its interface eth0 has: 192.0.2.0/24
      give `spec.loadBalancer.vip` a free address of the balancers' own network, or name the interface that has the VIP's network in `spec.loadBalancer.interface`
    ");
    let mut hosts = fresh(&cluster);
    let lb2 = cluster.running(barque_model::Component::Keepalived).nth(1).unwrap().clone();
    hosts.retain(|name, _| *name == lb2.name);
    hosts.get_mut(&lb2.name).unwrap().addresses = vec![AddressReport {
        address: lb2.address,
        here: true,
        holders: vec![Holder { mac: mac(STRANGER), also: vec!["10.0.0.77".parse().unwrap()] }],
    }];
    let findings = judge(Found { cluster: &cluster, balancers: &Reports::new(), hosts: &hosts, deployed: false });
    insta::assert_snapshot!(shown(&findings), @r"
    AddressConflict lb2: its address 192.0.2.22 is not its alone: another machine (02:00:00:00:00:99, 10.0.0.77) answers for it on eth0
      give that machine another address
    ");
}

#[test]
fn what_the_file_accepts_is_no_obstacle() {
    let mut cluster = cluster();
    let finding = |host: &str| SegmentFinding {
        kind: SegmentKind::VipInUse,
        host: host.parse().unwrap(),
        message: String::new(),
        remedy: String::new(),
    };
    assert!(!finding("lb1").is_accepted(&cluster));
    let hosts = vec!["lb1".parse().unwrap()];
    cluster.accepted_checks = vec![AcceptedCheck { check: CheckId::VipInUse, reason: "a router answers for all".into(), hosts }];
    assert!(finding("lb1").is_accepted(&cluster) && !finding("lb2").is_accepted(&cluster));
}

#[test]
fn auto_takes_a_free_identifier_and_keeps_it() {
    let taken = |numbers: &[u8]| numbers.iter().copied().map(Vrid).collect::<BTreeSet<_>>();
    assert_eq!(first_free(Vrid(254), &taken(&[254, 255, 1])), Vrid(2));
    assert_eq!(first_free(Vrid(7), &(1..=255).map(Vrid).collect()), Vrid(7));

    let mut cluster = cluster();
    let balancer = cluster.load_balancer.as_mut().unwrap();
    balancer.vrid_origin = VridOrigin::Automatic;
    balancer.vrid = Vrid(51);
    let vip = balancer.vip;
    let deployed = |vrids: &[Option<u8>]| {
        let held = vrids
            .iter()
            .zip(["lb1", "lb2"])
            .map(|(vrid, name)| (name.parse().unwrap(), vrid.map(|vrid| DeployedBalancer { vip, vrid: Vrid(vrid) })));
        held.collect::<BTreeMap<_, _>>()
    };
    let of = |kept: Option<u8>, vrids: &[Option<u8>], spoken: &[u8]| {
        let balancer = cluster.load_balancer.as_ref().unwrap();
        Choice::of(balancer, kept.map(Vrid), &deployed(vrids)).vrid(&taken(spoken)).0
    };
    // Fresh: from the cluster's own number on, or from the one that was planned with.
    assert_eq!(of(None, &[None, None], &[]), 51);
    assert_eq!(of(None, &[None, None], &[51, 52]), 53);
    assert_eq!(of(Some(53), &[None, None], &[51]), 53);
    assert_eq!(of(Some(53), &[None, None], &[53]), 54);
    // Deployed: the same, whoever speaks; without the operator's state, the one that the balancers have.
    assert_eq!(of(Some(53), &[Some(53), None], &[53]), 53);
    assert_eq!(of(None, &[None, Some(60)], &[51, 60]), 60);
    // A written number is that number.
    let mut written = cluster.clone();
    written.load_balancer.as_mut().unwrap().vrid_origin = VridOrigin::Written;
    let choice = Choice::of(written.load_balancer.as_ref().unwrap(), Some(Vrid(53)), &deployed(&[Some(60), None]));
    assert_eq!(choice, Choice::Fixed(Vrid(51)));
}

#[test]
fn taken_identifiers_are_those_of_strangers() {
    let cluster = cluster();
    let mut reports = healthy(&cluster);
    let lb1 = cluster.running(barque_model::Component::Keepalived).next().unwrap().name.clone();
    reports.get_mut(&lb1).unwrap().speakers = vec![
        speaker(&cluster, STRANGER, "10.0.0.77", 52),
        speaker(&cluster, LB2, "10.0.0.12", 51),
        speaker(&cluster, STRANGER, "fe80::77", 53),
    ];
    assert_eq!(Machines::new(&cluster, &[&reports]).taken(&reports), BTreeSet::from([Vrid(52), Vrid(53)]));
}
