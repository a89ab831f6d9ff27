//! Registries: what waits for a test pull, what a change of mirrors touches, what goes with an entry.

use barque_model::{Digest, Registry, RegistryEndpoint, Upstream};
use barque_plan::{Action, ClusterFacts, LedgerEntry, Observed, Plan, Prior, Probe, Resource, ResourceId, build};

use crate::changes::changed_units;
use crate::world::{Order, SEVEN, World, as_applied, named, run};

const FOLDER: &str = "/etc/containerd/certs.d/registry.example_5000_";

fn world(test_image: bool) -> World {
    let mut cluster = World::new(SEVEN, None).cluster;
    let authority = Some("AUTHORITY\n".to_owned());
    cluster.registries = vec![Registry {
        host: "registry.example:5000".into(),
        mirrors: vec![RegistryEndpoint { authority, ..RegistryEndpoint::plain("https://mirror.example") }],
        upstream: Upstream::NotAsked,
        test_image: test_image.then(|| "registry.example:5000/small:1".to_owned()),
    }];
    World::of(cluster, None)
}

fn pulls(plan: &Plan) -> usize {
    let is_pull = |action: &Action| matches!(action, Action::Gate { probe: Probe::ImagePulls { .. }, .. });
    plan.steps.iter().filter(|step| is_pull(&step.action)).count()
}

#[test]
fn kubelet_starts_after_the_test_pull_and_that_after_what_it_reads() {
    let plan = world(true).first();
    let order = Order::new(&plan);
    for host in ["m1", "n2"] {
        let (authority, hosts) = (format!("create {FOLDER}/mirror-1.ca.pem"), format!("create {FOLDER}/hosts.toml"));
        let folder = format!("create {FOLDER}");
        order.in_order(host, &[&folder, &authority, &hosts, "registry.example:5000/small:1 can be pulled", "start kubelet.service"]);
        let pull = order.get(host, "registry.example:5000/small:1 can be pulled");
        assert!(order.waits(pull, order.get(host, "start containerd.service")));
        let Action::Gate { probe: Probe::ImagePulls { asked, settings, .. }, .. } = &plan.steps[pull].action else { panic!("no pull") };
        assert_eq!((asked.as_slice(), settings.as_str()), (&["https://mirror.example".to_owned()][..], "/etc/containerd/certs.d"));
    }
    assert_eq!((pulls(&plan), pulls(&world(false).first())), (5, 0), "one on each node, and none unless it is asked for");
}

#[test]
fn other_mirrors_restart_nothing_and_are_tried() {
    let world = world(true);
    let mut observed = world.applied();
    let id = ResourceId(format!("file {FOLDER}/hosts.toml"));
    let other = Observed::File { digest: Digest::of(b"other mirrors"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&named("n1")).unwrap().resources.insert(id, other);
    let plan = world.plan(&observed, &world.facts());
    assert_eq!((plan.changes(), changed_units(&plan), pulls(&plan)), (1, vec![], 1));
}

#[test]
fn a_mirror_is_not_tried_when_something_else_changes() {
    let world = world(true);
    let mut observed = world.applied();
    observed.get_mut(&named("n1")).unwrap().resources.insert(ResourceId("file /etc/kubernetes/kube-proxy.env".into()), Observed::Absent);
    let plan = world.plan(&observed, &world.facts());
    assert!(plan.changes() > 0);
    assert_eq!(pulls(&plan), 0);
}

#[test]
fn an_entry_that_is_gone_takes_its_folder_along() {
    let before = world(false);
    let after = World::new(SEVEN, Some(before.vault.clone()));
    let host = named("n1");
    let mut observed = after.applied();
    let mut ledger = std::collections::BTreeMap::new();
    for wanted in &before.desired[&host].resources {
        let resource = &wanted.resource;
        observed.get_mut(&host).unwrap().resources.insert(resource.id(), as_applied(resource));
        let entry = LedgerEntry { resource: resource.clone(), run: run(), original: Prior::Absent, uncertain: false };
        ledger.entry(host.clone()).or_insert_with(Vec::new).push(entry);
    }
    let facts: ClusterFacts = after.facts();
    let plan = build(&after.inputs(&observed, &ledger, &facts));
    let removed: Vec<&str> = plan.steps.iter().filter(|step| step.action.changes()).map(|step| step.title.as_str()).collect();
    let folder = format!("remove {FOLDER}");
    assert_eq!(removed.len(), 3, "{removed:?}");
    let (hosts, authority) = (format!("{folder}/hosts.toml"), format!("{folder}/mirror-1.ca.pem"));
    Order::new(&plan).in_order("n1", &[&hosts, &authority, &folder]);
    let is_folder = |resource: &Resource| matches!(resource, Resource::Directory(directory) if directory.path == FOLDER);
    assert!(before.desired[&host].resources.iter().any(|wanted| is_folder(&wanted.resource)));
}
