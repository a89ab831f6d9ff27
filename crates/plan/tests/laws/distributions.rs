//! Hosts whose distribution barque has no packages for, and those that become one that it has packages for.

use std::collections::BTreeMap;

use barque_model::{Digest, HostName};
use barque_plan::{Action, Archive, Blob, HostObserved, LedgerEntry, Package, PackageForm, Prior, Resource, build};

use crate::rollback::{Case, Items, item};
use crate::world::{Order, SEVEN, World, as_applied, as_found, host_of, named, run};

fn entry(resource: &Resource) -> LedgerEntry {
    LedgerEntry { resource: resource.clone(), run: run(), original: as_found(resource), uncertain: false }
}

/// What barque applied, and `more` on each host.
fn ledger(world: &World, more: &[Resource]) -> BTreeMap<HostName, Vec<LedgerEntry>> {
    let entries =
        |wanted: &barque_plan::HostDesired| wanted.resources.iter().map(|wanted| &wanted.resource).chain(more).map(entry).collect();
    world.desired.iter().map(|(host, wanted)| (host.clone(), entries(wanted))).collect()
}

/// The titles of all steps of one host.
fn titles<'a>(plan: &'a barque_plan::Plan, host: &str) -> Vec<&'a str> {
    plan.steps.iter().filter(|step| host_of(step) == host).map(|step| step.title.as_str()).collect()
}

#[test]
fn balancers_get_what_the_distributions_package_would_bring() {
    let world = World::new(SEVEN, None).portable();
    let plan = world.first();
    let order = Order::new(&plan);
    let starts = "start haproxy.service";
    for before in ["install package haproxy", "create /etc/systemd/system/haproxy.service", "create /var/lib/haproxy", "set user haproxy"] {
        assert!(order.find("lb1", before).is_some(), "{before} is not planned: {:?}", titles(&plan, "lb1"));
    }
    order.in_order("lb1", &["install package haproxy", starts]);
    order.in_order("lb1", &["create /etc/systemd/system/haproxy.service", starts]);
    let again = build(&world.inputs(&world.applied(), &ledger(&world, &[]), &world.facts()));
    let changes =
        again.steps.iter().filter(|step| matches!(step.action, Action::Apply { .. } | Action::Transfer { .. } | Action::Restore { .. }));
    assert_eq!(changes.map(|step| step.title.as_str()).collect::<Vec<_>>(), [""; 0]);
}

/// As when hosts are upgraded from Debian 12 to 13.
#[test]
fn a_host_that_gets_packages_loses_the_programs_of_barques_own() {
    let native = World::new(SEVEN, None);
    let portable = native.portable();
    let archive = Archive { name: "nftables".into(), version: "1+0".into(), blob: Blob { digest: Digest::of(b"nft"), size: 3 } };
    let of_firewall = Resource::Package(Package { name: "nftables".into(), archives: vec![archive], form: PackageForm::Portable });
    let mut observed = portable.applied();
    for (host, seen) in native.applied() {
        let here: &mut HostObserved = observed.get_mut(&host).unwrap();
        for (id, state) in seen.resources.into_iter().filter(|(id, _)| !id.0.starts_with("package ")) {
            here.resources.entry(id).or_insert(state);
        }
        here.resources.insert(of_firewall.id(), as_applied(&of_firewall));
    }
    let plan = build(&native.inputs(&observed, &ledger(&portable, &[of_firewall]), &native.facts()));
    let order = Order::new(&plan);
    order.in_order("lb1", &["install package haproxy", "remove haproxy (portable)"]);
    order.in_order("lb1", &["restart haproxy.service", "remove haproxy (portable)"]);
    // The package brings a file of this name.
    order.in_order("lb1", &["remove /etc/keepalived/keepalived.config-opts", "install package keepalived"]);
    order.in_order("n1", &["install package iptables nftables", "remove iptables nftables (portable)"]);
    assert!(order.find("lb1", "remove /etc/systemd/system/haproxy.service").is_some(), "{:?}", titles(&plan, "lb1"));
    assert!(order.find("lb1", "remove nftables (portable)").is_none(), "the packet filter needs its program");
}

#[test]
fn another_version_is_an_update_and_comes_back_with_a_restart() {
    let world = World::new(SEVEN, None).portable();
    let older = vec![("haproxy".to_owned(), "0+0123456789ab".to_owned())];
    let haproxy = world.desired[&named("lb1")].resources.iter().find(|wanted| wanted.resource.id().0 == "package haproxy (portable)");
    let haproxy = haproxy.unwrap().resource.clone();
    let mut observed = world.applied();
    let here = observed.get_mut(&named("lb1")).unwrap();
    here.resources.insert(haproxy.id(), barque_plan::Observed::Package { installed: older.clone() });
    let plan = build(&world.inputs(&observed, &ledger(&world, &[]), &world.facts()));
    assert!(titles(&plan, "lb1").contains(&"install package haproxy"), "{:?}", titles(&plan, "lb1"));

    let unit = world.desired[&named("lb1")].resources.iter().find(|wanted| wanted.resource.id().0 == "unit haproxy.service").unwrap();
    let ran = Prior::Unit { state: barque_plan::UnitState { fingerprint: Some(Digest::of(b"former")), ..crate::world::unit_state(true) } };
    let items: Items = [(named("lb1"), vec![item(&haproxy, Prior::Package { installed: older }), item(&unit.resource, ran)])].into();
    let plan = Case::new(&world, items).plan();
    Order::new(&plan).in_order("lb1", &["restore package haproxy (portable)", "restart haproxy.service with its former settings"]);
}
