//! The order of what `up` does.

use std::collections::BTreeSet;

use barque_model::{Digest, HostName};
use barque_plan::{Action, Change, ClusterFacts, Observed, Plan, Resource, ResourceId};

use crate::world::{SEVEN, World};

pub(crate) fn changed_units(plan: &Plan) -> Vec<(String, String, Change)> {
    let units = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Apply { resource: Resource::Unit(unit), difference, .. } => {
            Some((step.host.as_ref()?.to_string(), unit.name.clone(), difference.change))
        }
        _ => None,
    });
    units.collect()
}

/// Whether `later` waits for `earlier`, directly or through other steps.
pub(crate) fn waits(plan: &Plan, later: usize, earlier: usize) -> bool {
    let mut stack = vec![later];
    let mut seen = BTreeSet::new();
    while let Some(step) = stack.pop() {
        for needed in &plan.steps[step].after {
            let needed = needed.0 as usize;
            if needed == earlier {
                return true;
            }
            if seen.insert(needed) {
                stack.push(needed);
            }
        }
    }
    false
}

#[test]
fn fresh_hosts_get_everything_once_and_in_order() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    // Parameters that a kernel lacks and that need not be set are no steps.
    let needed = |wanted: &&barque_plan::DesiredResource| !matches!(&wanted.resource, Resource::Sysctl(sysctl) if !sysctl.required);
    let resources: usize = world.desired.values().map(|wanted| wanted.resources.iter().filter(needed).count()).sum();
    let applied = plan.steps.iter().filter(|step| matches!(step.action, Action::Apply { .. })).count();
    assert_eq!(applied, resources);
    for (index, step) in plan.steps.iter().enumerate() {
        assert_eq!(step.id.0 as usize, index);
        assert!(step.after.iter().all(|needed| needed.0 < step.id.0), "{} comes before what it needs", step.title);
    }
}

#[test]
fn same_inputs_same_bytes() {
    let world = World::new(SEVEN, None);
    let bytes = || serde_json::to_vec(&world.plan(&world.fresh(), &ClusterFacts::default())).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_plan_reads_back() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    assert!(!text.contains("PRIVATE KEY"), "a plan must not carry secrets");
}

#[test]
fn nothing_to_do_when_all_is_applied() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.applied(), &world.facts());
    let changes: Vec<&str> = plan.steps.iter().filter(|step| step.action.changes()).map(|step| step.title.as_str()).collect();
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn every_single_fault_leads_to_its_own_repair() {
    let world = World::new(SEVEN, None);
    for (host, wanted) in &world.desired {
        for wanted in &wanted.resources {
            if matches!(&wanted.resource, Resource::Sysctl(sysctl) if !sysctl.required) {
                continue;
            }
            let id = wanted.resource.id();
            let mut observed = world.applied();
            observed.get_mut(host).unwrap().resources.insert(id.clone(), Observed::Absent);
            let plan = world.plan(&observed, &world.facts());
            let repaired: BTreeSet<ResourceId> = plan
                .steps
                .iter()
                .filter_map(|step| match &step.action {
                    Action::Apply { resource, .. } if step.host.as_ref() == Some(host) => Some(resource.id()),
                    _ => None,
                })
                .collect();
            assert!(repaired.contains(&id), "{id} on {host} is not repaired");
            let others: Vec<&ResourceId> = repaired.iter().filter(|other| **other != id).collect();
            assert!(others.iter().all(|other| other.0.starts_with("unit ")), "{id} on {host} drags {others:?} along");
            let elsewhere = plan.steps.iter().any(|step| step.action.changes() && step.host.as_ref() != Some(host));
            assert!(!elsewhere, "{id} on {host} changes another host");
        }
    }
}

#[test]
fn a_flag_restarts_one_component_one_master_after_the_other() {
    let before = World::new(SEVEN, None);
    let changed = format!("{SEVEN}\n  extraArgs:\n    kubeApiserver:\n      event-ttl: 30m0s\n");
    let after = before.changed(&changed);
    let plan = after.plan(&before.applied(), &after.facts());
    let masters = ["m1", "m2", "m3"].map(|host| (host.to_owned(), "kube-apiserver.service".to_owned(), Change::Restart));
    assert_eq!(changed_units(&plan), masters);
    let find = |host: &str, title: &str| {
        let found = plan.steps.iter().position(|step| step.host.as_ref().is_some_and(|name| name.as_str() == host) && step.title == title);
        found.unwrap_or_else(|| panic!("no step `{title}` on {host}"))
    };
    for (first, second) in [("m1", "m2"), ("m2", "m3")] {
        let ready = find(first, "the API server is ready");
        assert!(waits(&plan, find(second, "restart kube-apiserver.service"), ready), "{second} restarts before {first} serves");
        assert!(
            waits(&plan, find(second, "update /etc/kubernetes/kube-apiserver.env"), ready),
            "{second} gets the flag before {first} serves"
        );
    }
}

#[test]
fn an_edited_file_of_a_running_unit_restarts_it() {
    let world = World::new(SEVEN, None);
    let mut observed = world.applied();
    let host: HostName = "m2".parse().unwrap();
    let edited = Observed::File { digest: Digest::of(b"edited by hand"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&host).unwrap().resources.insert(ResourceId("file /etc/systemd/system/kube-scheduler.service".into()), edited);
    let plan = world.plan(&observed, &world.facts());
    assert_eq!(changed_units(&plan), [("m2".to_owned(), "kube-scheduler.service".to_owned(), Change::Restart)]);
}

#[test]
fn the_api_server_waits_for_etcd_and_nothing_waits_for_labels() {
    let world = World::new(SEVEN, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let position = |title: &str| plan.steps.iter().position(|step| step.title == title).unwrap_or_else(|| panic!("no step `{title}`"));
    assert!(waits(&plan, position("start kube-apiserver.service"), position("all 3 etcd members are healthy, with one leader")));
    assert!(
        !waits(&plan, position("start containerd.service"), position("start kube-apiserver.service")),
        "the runtime need not wait for the API"
    );
    assert!(!waits(&plan, position("send kubelet"), position("start etcd.service")), "bytes flow while etcd elects");
}
