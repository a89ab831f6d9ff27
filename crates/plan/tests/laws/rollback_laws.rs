//! What holds for every rollback, whatever runs have changed.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use barque_model::Digest;
use barque_plan::{Action, Prior, Resource};
use proptest::prelude::*;

use crate::rollback::{Case, Items, item};
use crate::world::{Order, SEPARATE_ETCD, SEVEN, World, as_found, as_prior, host_of, restored, unit_state};

fn world(separate: bool) -> &'static World {
    static SEVEN_HOSTS: OnceLock<World> = OnceLock::new();
    static MORE_HOSTS: OnceLock<World> = OnceLock::new();
    if separate { MORE_HOSTS.get_or_init(|| World::new(SEPARATE_ETCD, None)) } else { SEVEN_HOSTS.get_or_init(|| World::new(SEVEN, None)) }
}

/// What a resource goes back to: 0 nothing in its place, 1 another state, 2 the state that it describes.
fn prior(resource: &Resource, kind: u8) -> Prior {
    match (kind, as_prior(resource)) {
        (0, _) => as_found(resource),
        (1, Prior::File { owner, .. }) => Prior::File { digest: Digest::of(b"former"), mode: 0o600, owner },
        (1, Prior::Link { .. }) => Prior::Link { target: "/usr/bin/somewhere".into() },
        (1, Prior::Directory { .. }) => Prior::Directory { mode: 0o700, owner: barque_model::Owner::of("etcd") },
        (1, Prior::Unit { .. }) => Prior::Unit { state: unit_state(true) },
        (_, same) => same,
    }
}

/// From which the items of a rollback follow.
#[derive(Debug, Clone)]
struct Seeds {
    separate: bool,
    /// How many of five resources share their host's usual prior, as those of one run do.
    mostly: u8,
    usual: Vec<u8>,
    each: Vec<(u8, u8)>,
}

fn seeds() -> impl Strategy<Value = Seeds> {
    let each = proptest::collection::vec((0_u8..6, 0_u8..3), 61);
    (any::<bool>(), 0_u8..6, proptest::collection::vec(0_u8..3, 10), each).prop_map(|(separate, mostly, usual, each)| Seeds {
        separate,
        mostly,
        usual,
        each,
    })
}

impl Seeds {
    /// Any part of everything, each resource going back to anything.
    fn items(&self) -> Items {
        let mut found = Items::new();
        for (number, (host, wanted)) in world(self.separate).desired.iter().enumerate() {
            for (index, wanted) in wanted.resources.iter().enumerate() {
                let (keep, kind) = self.each[(index + number * 7) % self.each.len()];
                if keep == 0 {
                    continue;
                }
                let kind = if keep <= self.mostly { self.usual[number % self.usual.len()] } else { kind };
                found.entry(host.clone()).or_default().push(item(&wanted.resource, prior(&wanted.resource, kind)));
            }
        }
        found
    }
}

fn reads(unit: &str, path: &str) -> bool {
    let program = unit.trim_end_matches(".service");
    path == format!("/etc/systemd/system/{unit}")
        || path == format!("/usr/local/bin/{program}")
        || path == format!("/etc/kubernetes/{program}.env")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn every_rollback_is_in_order(seeds in seeds(), delete_data: bool, silent in proptest::option::of(0_usize..7)) {
        let world = world(seeds.separate);
        let mut case = Case::new(world, seeds.items());
        case.delete_data = delete_data;
        case.unreachable = silent.map(|index| world.cluster.hosts[index].name.clone()).into_iter().collect();
        let plan = case.plan();
        prop_assert_eq!(serde_json::to_vec(&plan).unwrap(), serde_json::to_vec(&case.plan()).unwrap());
        let order = Order::new(&plan);
        // Each item at most once, and left out only for a reason.
        let found: Vec<String> = plan.steps.iter().filter_map(restored).collect();
        let distinct: BTreeSet<&String> = found.iter().collect();
        prop_assert_eq!(found.len(), distinct.len());
        for (host, items) in case.items.iter().filter(|(host, _)| !case.unreachable.contains(*host)) {
            for item in items {
                let id = item.resource.id().0;
                let excused = id.starts_with("image ") || (!delete_data && ["user etcd", "directory /var/lib/etcd"].contains(&id.as_str()));
                prop_assert!(excused || distinct.contains(&format!("{host} {id}")), "{} of {} is left out", id, host);
            }
        }
        // Two masters' API servers are never away at once, unless the cluster ends or was away.
        let api: Vec<usize> = steps_of(&order, "kube-apiserver.service").into_iter().filter(|step| order.plan.steps[*step].title.starts_with("restart")).collect();
        let rolls = plan.steps.iter().any(|step| matches!(step.action, Action::Snapshot));
        for (place, one) in api.iter().enumerate().filter(|_| rolls) {
            for two in &api[place + 1..] {
                let (first, second) = if order.waits(*two, *one) { (*one, *two) } else { (*two, *one) };
                prop_assert!(order.waits(second, first), "two API servers restart at once");
                let ready = order.find(host_of(&plan.steps[first]), "the API server is ready");
                prop_assert!(ready.is_some_and(|ready| order.waits(second, ready) && order.waits(ready, first)));
            }
        }
        // A unit that stays stopped has ended before its files change; one that runs again has them before it starts.
        for (index, step) in plan.steps.iter().enumerate() {
            let Action::Restore { resource: Resource::Unit(unit), prior, .. } = &step.action else { continue };
            let runs = matches!(prior, Prior::Unit { state } if state.is_active());
            for (other, file) in plan.steps.iter().enumerate().filter(|(_, other)| other.host == step.host) {
                let Action::Restore { resource, .. } = &file.action else { continue };
                let path = match resource {
                    Resource::File(file) => &file.path,
                    Resource::Binary(binary) => &binary.path,
                    _ => continue,
                };
                if reads(&unit.name, path) {
                    let right = if runs { order.waits(index, other) } else { order.waits(other, index) };
                    prop_assert!(right, "`{}` and `{}` of {} are in the wrong order", step.title, file.title, host_of(step));
                }
            }
        }
        // Folders come before what is in them and go after it.
        for (index, step) in plan.steps.iter().enumerate() {
            let Action::Restore { resource: Resource::Directory(folder), prior, .. } = &step.action else { continue };
            for (other, inner) in plan.steps.iter().enumerate().filter(|(_, other)| other.host == step.host) {
                let Action::Restore { resource: Resource::File(file), prior: former, .. } = &inner.action else { continue };
                if file.path.starts_with(&format!("{}/", folder.path)) {
                    prop_assert!(!prior.is_absent() || order.waits(index, other), "`{}` is too early", step.title);
                    prop_assert!(prior.is_absent() || former.is_absent() || order.waits(other, index), "`{}` is too late", step.title);
                }
            }
        }
        // Who has left the balance comes back.
        for step in &plan.steps {
            let Action::Drain { master, .. } = &step.action else { continue };
            let loses_api = ["unit kube-apiserver.service", "binary /usr/local/bin/kube-apiserver", "file /etc/systemd/system/kube-apiserver.service"];
            let goes = case.items[master].iter().any(|item| {
                loses_api.contains(&item.resource.id().0.as_str())
                    && (item.prior.is_absent() || matches!(&item.prior, Prior::Unit { state } if !state.is_active()))
            });
            let returned = order.find("", &format!("{master} is back in balance"));
            prop_assert!(goes || returned.is_some(), "{} stays out of balance", master);
        }
    }
}

fn steps_of(order: &Order<'_>, unit: &str) -> Vec<usize> {
    let restores = |action: &Action| matches!(action, Action::Restore { resource: Resource::Unit(found), .. } if found.name == unit);
    order.plan.steps.iter().enumerate().filter(|(_, step)| restores(&step.action)).map(|(index, _)| index).collect()
}
