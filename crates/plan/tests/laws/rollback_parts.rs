//! Rollbacks of what was cut short, of a part, and of what cannot come back.

use std::collections::BTreeMap;

use barque_plan::{Action, KubeUndo, Prior, Resource, ResourceId, Sweep, UndoItem, irreversible};

use crate::rollback::{Case, all, item, titles};
use crate::world::{Order, SEVEN, World, as_found, host_of, named, restored, unit_state};

const fn is_gate(action: &Action) -> bool {
    matches!(action, Action::Gate { .. } | Action::AddressGate { .. } | Action::ClusterGate { .. } | Action::Return { .. })
}

#[test]
fn a_deployment_that_was_cut_short_goes_without_asking_what_never_ran() {
    let world = World::new(SEVEN, None);
    // Files are everywhere, etcd runs, and nothing else was started.
    let mut items = all(&world, as_found);
    for items in items.values_mut() {
        items.retain(|item| match &item.resource {
            Resource::Unit(unit) => unit.name == "etcd.service",
            Resource::Image(_) | Resource::Package(_) => false,
            _ => true,
        });
    }
    let mut case = Case::new(&world, items);
    case.delete_data = true;
    let plan = case.plan();
    case.restores_all_but(&plan, |_| false);
    assert!(titles(&plan, is_gate).is_empty());
    assert!(titles(&plan, |action| matches!(action, Action::Drain { .. } | Action::Snapshot)).is_empty());
    // Only a file or two on some hosts.
    let host = named("m1");
    let few: Vec<UndoItem> = case.items[&host].iter().filter(|item| item.resource.id().0.starts_with("file /etc/etcd")).cloned().collect();
    assert!(!few.is_empty());
    let case = Case::new(&world, BTreeMap::from([(host, few)]));
    let plan = case.plan();
    assert!(plan.steps.iter().all(|step| restored(step).is_some()), "{plan:?}");
}

#[test]
fn a_unit_that_somebody_had_stopped_is_stopped_again_and_keeps_what_it_wrote() {
    let world = World::new(SEVEN, None);
    let host = named("n1");
    let stopped = |resource: &Resource| {
        let state = barque_plan::UnitState { fingerprint: Some(barque_model::Digest::of(b"x")), enabled: true, ..unit_state(false) };
        item(resource, Prior::Unit { state })
    };
    let unit = |name: &str| {
        let id = ResourceId(format!("unit {name}"));
        world.desired[&host].resources.iter().find(|wanted| wanted.resource.id() == id).map(|wanted| stopped(&wanted.resource)).unwrap()
    };
    let case = Case::new(&world, BTreeMap::from([(host.clone(), vec![unit("containerd.service"), unit("kubelet.service")])]));
    let plan = case.plan();
    let order = Order::new(&plan);
    order.in_order("n1", &["stop kubelet.service", "stop containerd.service"]);
    assert!(titles(&plan, |action| matches!(action, Action::Sweep { .. })).is_empty());
}

#[test]
fn a_folder_of_an_earlier_run_keeps_that_runs_files() {
    let world = World::new(SEVEN, None);
    let mut items = all(&world, as_found);
    for items in items.values_mut() {
        items.retain(|item| !item.resource.id().0.ends_with("/var/lib/kubelet") && !item.resource.id().0.contains("/var/lib/kubelet/"));
    }
    let plan = Case::new(&world, items).plan();
    for step in &plan.steps {
        if let Action::Sweep { sweep: Sweep::Paths { paths } } = &step.action {
            assert!(
                !paths
                    .iter()
                    .any(|path| ["/var/lib/kubelet", "/var/lib/kubelet/pki", "/var/lib/kubelet/config.yaml"].contains(&path.as_str()))
            );
            assert!(!paths.contains(&"/var/lib/kubelet/pods".to_owned()) || host_of(step) != "lb1");
        }
    }
    let pods = |step: &barque_plan::Step| matches!(&step.action, Action::Sweep { sweep: Sweep::Paths { paths } } if paths.contains(&"/var/lib/kubelet/pods".to_owned()));
    assert_eq!(plan.steps.iter().filter(|step| pods(step)).count(), 5);
}

#[test]
fn what_cannot_come_back_is_said_and_left_alone() {
    let world = World::new(SEVEN, None);
    let mut items = all(&world, as_found);
    let first = items.get_mut(&named("lb1")).unwrap();
    let place = first.iter().position(|item| item.resource.id().0 == "file /etc/haproxy/haproxy.cfg").unwrap();
    first[place].prior = Prior::Other { what: "a socket".into() };
    let package = first.iter().position(|item| item.resource.id().0 == "package haproxy").unwrap();
    if let Resource::Package(found) = &mut first[package].resource {
        found.archives.push(barque_plan::Archive { name: "libnl".into(), version: "3".into(), blob: found.archives[0].blob });
    }
    first[package].prior = Prior::Package { installed: vec![("libnl".into(), "3".into())] };
    let mut case = Case::new(&world, items);
    case.delete_data = true;
    case.kube = vec![KubeUndo::Node {
        name: "n1".into(),
        labels: BTreeMap::new(),
        remove_labels: vec!["a".into()],
        taints: Vec::new(),
        remove_taints: Vec::new(),
    }];
    let plan = case.plan();
    let touched = plan.steps.iter().filter(|step| step.title.ends_with("/etc/haproxy/haproxy.cfg")).map(host_of);
    assert_eq!(touched.collect::<Vec<_>>(), ["lb2"]);
    insta::assert_snapshot!(case.with(irreversible).join("\n"), @r"
    etcd's data on m1, m2, m3 (/var/lib/etcd/member) are deleted for good, and with them every object of the cluster
    1 change in the cluster cannot be taken back one by one, because no API server is left
    all pods on m1, m2, m3, n1, n2 end; what they wrote to their containers and to emptyDir volumes is gone, what they wrote to other volumes stays
    packages that were there before stay on lb1: libnl
    file /etc/haproxy/haproxy.cfg on lb1 was a socket, which cannot be brought back
    ");
}
