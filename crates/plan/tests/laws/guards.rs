//! What keeps people's edits, the balance and the quorum.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Digest, HostName};
use barque_plan::{
    Action, Change, ClusterFacts, HostDesired, LedgerEntry, MemberHealth, Observed, Prior, QuorumRefusal, Resource, ResourceId, build,
    held, keeps_quorum,
};

use crate::changes::{changed_units, waits};
use crate::world::{SEVEN, World, as_applied, named, run};

/// What the journals of all hosts tell after everything was applied.
fn ledger(world: &World) -> BTreeMap<HostName, Vec<LedgerEntry>> {
    let entry = |resource: &Resource| LedgerEntry { resource: resource.clone(), run: run(), original: Prior::Absent, uncertain: false };
    let host = |wanted: &HostDesired| wanted.resources.iter().map(|wanted| entry(&wanted.resource)).collect();
    world.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
}

#[test]
fn an_edited_file_that_barque_wrote_is_held() {
    let world = World::new(SEVEN, None);
    let mut observed = world.applied();
    let id = ResourceId("file /etc/kubernetes/kube-apiserver.env".into());
    let edited = Observed::File { digest: Digest::of(b"edited by hand"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), edited);
    let (ledger, facts) = (ledger(&world), world.facts());
    let mut inputs = world.inputs(&observed, &ledger, &facts);
    let found = held(&inputs);
    assert_eq!(found.iter().map(|held| (held.host.as_str(), &held.resource)).collect::<Vec<_>>(), [("m2", &id)]);
    assert_eq!(build(&inputs).changes(), 0, "neither the file nor its unit is touched");
    inputs.overwrite_drift = true;
    assert!(held(&inputs).is_empty());
    assert_eq!(changed_units(&build(&inputs)), [("m2".to_owned(), "kube-apiserver.service".to_owned(), Change::Restart)]);
}

#[test]
fn what_is_missing_or_half_done_is_put_back() {
    let world = World::new(SEVEN, None);
    let id = ResourceId("file /etc/kubernetes/kube-apiserver.env".into());
    let facts = world.facts();
    let mut observed = world.applied();
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), Observed::Absent);
    assert!(held(&world.inputs(&observed, &ledger(&world), &facts)).is_empty(), "a missing file carries no work");
    let other = Observed::File { digest: Digest::of(b"half of a change"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), other);
    let mut ledger = ledger(&world);
    for entry in ledger.get_mut(&named("m2")).unwrap() {
        entry.uncertain = entry.id() == id;
    }
    assert!(held(&world.inputs(&observed, &ledger, &facts)).is_empty(), "nobody knows who wrote it");
}

#[test]
fn what_is_not_wanted_any_more_goes_after_its_unit() {
    let world = World::new(SEVEN, None);
    let (host, facts) = (named("n1"), world.facts());
    let mut ledger = ledger(&world);
    let file = barque_plan::File {
        path: "/etc/kubernetes/kubelet.env.d/old".into(),
        digest: Digest::of(b"old"),
        mode: 0o644,
        owner: barque_model::Owner::root(),
        sensitive: false,
    };
    let entry = LedgerEntry {
        resource: Resource::File(file.clone()),
        run: "20261125T020304Z-1a2b".parse().unwrap(),
        original: Prior::Absent,
        uncertain: false,
    };
    ledger.get_mut(&host).unwrap().push(entry.clone());
    let mut observed = world.applied();
    observed.get_mut(&host).unwrap().resources.insert(entry.id(), as_applied(&entry.resource));
    let plan = build(&world.inputs(&observed, &ledger, &facts));
    let changes: Vec<_> = plan.steps.iter().filter(|step| step.action.changes()).map(|step| step.title.as_str()).collect();
    assert_eq!(changes, ["remove /etc/kubernetes/kubelet.env.d/old"]);
    observed.get_mut(&host).unwrap().resources.insert(entry.id(), Observed::Absent);
    assert_eq!(build(&world.inputs(&observed, &ledger, &facts)).changes(), 0, "it is gone already");
}

#[test]
fn a_master_leaves_the_balance_before_it_restarts_and_etcd_is_copied_first() {
    let before = World::new(SEVEN, None);
    let changed = format!("{SEVEN}\n  extraArgs:\n    etcd:\n      snapshot-count: \"20000\"\n");
    let after = before.changed(&changed);
    let plan = after.plan(&before.applied(), &after.facts());
    let find = |title: &str| plan.steps.iter().position(|step| step.title == title).unwrap_or_else(|| panic!("no step `{title}`"));
    let restart = |host: &str| {
        let found = plan.steps.iter().position(|step| step.title == "restart etcd.service" && step.host == Some(named(host)));
        found.unwrap_or_else(|| panic!("etcd of {host} does not restart"))
    };
    for host in ["m1", "m2", "m3"] {
        assert!(waits(&plan, restart(host), find(&format!("take {host} out of balance"))));
        assert!(waits(&plan, find(&format!("{host} is back in balance")), restart(host)));
        assert!(waits(&plan, restart(host), find("save a snapshot of etcd's data")));
    }
    assert!(waits(&plan, find("take m2 out of balance"), find("m1 is back in balance")), "never two at once");
    let whole = |healthy: [bool; 3]| {
        let members = ["m1", "m2", "m3"].into_iter().zip(healthy);
        members.map(|(host, healthy)| MemberHealth { host: named(host), healthy }).collect::<Vec<_>>()
    };
    assert_eq!(keeps_quorum(&plan, &after.cluster, &whole([true; 3]), &BTreeSet::new()), Ok(()));
    let refused = keeps_quorum(&plan, &after.cluster, &whole([true, true, false]), &BTreeSet::from([named("m3")])).unwrap_err();
    assert!(matches!(refused, QuorumRefusal::Restart { remaining: 1, quorum: 2, total: 3, .. }), "{refused}");
    insta::assert_snapshot!(refused.to_string(), @"m1: `restart etcd.service` is refused: 2 of 3 etcd members are healthy (m1, m2), and without m1's there would be 1, fewer than the quorum of 2");
}

#[test]
fn only_a_master_that_serves_leaves_the_balance() {
    let before = World::new(SEVEN, None);
    let steps = |setting: &str, stopped: &[&str]| {
        let after = before.changed(&format!("{SEVEN}\n  extraArgs:\n    {setting}\n"));
        let mut observed = before.applied();
        for host in stopped {
            let seen = &mut observed.get_mut(&named(host)).unwrap().resources;
            seen.insert(ResourceId("unit kube-apiserver.service".into()), Observed::Absent);
        }
        let plan = after.plan(&observed, &after.facts());
        let drains = |host: &str| plan.steps.iter().position(|step| step.title == format!("take {host} out of balance"));
        let drained: Vec<&str> = ["m1", "m2", "m3"].into_iter().filter(|host| drains(host).is_some()).collect();
        // Whether the first of them waits until the API servers that start are ready.
        let ready = |host: &str| {
            plan.steps.iter().position(|step| step.title == "the API server is ready" && step.host == Some(named(host))).unwrap()
        };
        let patient = drained.first().is_some_and(|host| stopped.iter().all(|other| waits(&plan, drains(host).unwrap(), ready(other))));
        (drained, patient)
    };
    let (etcd, api) = ("etcd: {snapshot-count: \"20000\"}", "kubeApiserver: {event-ttl: 2h0m0s}");
    // None serves, as when a first deployment was cut off and a host's units came up by themselves: there is nothing to leave.
    assert_eq!(steps(etcd, &["m1", "m2", "m3"]).0, Vec::<&str>::new());
    assert_eq!(steps(etcd, &["m2", "m3"]).0, Vec::<&str>::new(), "the others' API servers wait for etcd, so it waits for none");
    assert_eq!(steps(etcd, &["m3"]).0, ["m1", "m2"]);
    assert_eq!(steps(api, &["m2", "m3"]), (vec!["m1"], true), "others answer first");
    assert_eq!(steps(api, &["m3"]).0, ["m1", "m2"]);
}

#[test]
fn etcd_does_not_start_without_a_quorum_of_hosts() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let absent = |hosts: &[&str]| hosts.iter().map(|host| named(host)).collect::<BTreeSet<_>>();
    assert_eq!(keeps_quorum(&plan, &world.cluster, &[], &absent(&["m3"])), Ok(()));
    assert!(keeps_quorum(&plan, &world.cluster, &[], &absent(&["m2", "m3"])).is_err());
}

#[test]
fn the_watchdog_starts_after_every_unit_that_it_watches() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    for host in &world.cluster.hosts {
        let of_host = |(_, step): &(usize, &barque_plan::Step)| step.host.as_ref() == Some(&host.name);
        let is_unit = |(_, step): &(usize, &barque_plan::Step)| matches!(&step.action, Action::Apply { resource: Resource::Unit(_), .. });
        let (watchdog, units): (Vec<_>, Vec<_>) = plan
            .steps
            .iter()
            .enumerate()
            .filter(of_host)
            .filter(is_unit)
            .partition(|(_, step)| step.title == "start barque-watchdog.timer");
        assert_eq!(watchdog.len(), 1, "{}", host.name);
        assert!(!units.is_empty() && units.iter().all(|(unit, _)| waits(&plan, watchdog[0].0, *unit)), "{}", host.name);
    }
}

#[test]
fn the_metrics_gateway_comes_with_the_add_on_and_goes_with_it() {
    let without = World::new(SEVEN, None);
    let with = without.changed(&format!("{SEVEN}  addons:\n    - name: monitoring\n"));
    let unit = ResourceId("unit barque-metrics.service".into());
    let gateways: Vec<&str> = with
        .desired
        .iter()
        .filter(|(_, wanted)| wanted.resources.iter().any(|wanted| wanted.resource.id() == unit))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(gateways, ["lb1", "lb2", "m1", "m2", "m3"]);
    assert!(
        without.desired.values().all(|wanted| wanted.resources.iter().all(|wanted| !wanted.resource.id().0.contains("barque-metrics")))
    );

    let plan = with.plan(&with.fresh(), &ClusterFacts::default());
    let of_m1 = |title: &str| {
        let found = plan.steps.iter().position(|step| step.title == title && step.host == Some(named("m1")));
        found.unwrap_or_else(|| panic!("no step `{title}`"))
    };
    let start = of_m1("start barque-metrics.service");
    for before in ["set user barque-metrics", "create /etc/barque-metrics/config.toml", "create /etc/barque-metrics/server.key"] {
        assert!(waits(&plan, start, of_m1(before)), "{before}");
    }

    // The add-on is turned off: stopped first, then everything of it goes.
    let removal = build(&without.inputs(&with.applied(), &ledger(&with), &ClusterFacts::default()));
    let of_lb1 = |title: &str| {
        let found = removal.steps.iter().position(|step| step.title == title && step.host == Some(named("lb1")));
        found.unwrap_or_else(|| panic!("no step `{title}` among {:?}", removal.steps.iter().map(|step| &step.title).collect::<Vec<_>>()))
    };
    let stop = of_lb1("stop barque-metrics.service");
    for after in [
        "remove /etc/barque-metrics/server.key",
        "remove /usr/local/bin/barque-metrics",
        "remove /etc/barque-metrics",
        "remove barque-metrics",
    ] {
        assert!(waits(&removal, of_lb1(after), stop), "{after}");
    }
}
