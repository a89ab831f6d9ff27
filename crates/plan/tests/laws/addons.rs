//! Add-ons in a plan: order, images, checks, edits, removals.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{Digest, ObjectDifference};
use barque_plan::{
    Action, AddonWanted, Blob, ClusterFacts, ClusterGate, ClusterObject, DesiredResource, Image, Plan, PlanInputs, Resource, build,
};

use crate::world::{Order, SEVEN, World, named};

fn object(kind: &str, name: &str, addon: &str) -> ClusterObject {
    let json = format!(r#"{{"kind":"{kind}","metadata":{{"labels":{{"barque.dev/addon":"{addon}"}},"name":"{name}","namespace":"a"}}}}"#);
    ClusterObject { name: format!("{kind} a/{name}"), json }
}

fn addon(name: &str, needs: &[&str]) -> AddonWanted {
    AddonWanted {
        name: name.parse().unwrap(),
        needs: needs.iter().map(|name| name.parse().unwrap()).collect(),
        objects: vec![object("Service", name, name), object("Deployment", name, name)],
        images: vec![format!("registry.example/{name}:1")],
        checks: vec![
            ClusterGate::DeploymentReady { namespace: "a".into(), name: name.into(), nodes: 2 },
            ClusterGate::Answers { path: format!("/apis/{name}"), items: 1 },
        ],
    }
}

/// The plan for a cluster in which all else is as wanted.
fn plan(world: &World, addons: &[AddonWanted], states: &[(&str, ObjectDifference)], unwanted: &[ClusterObject], overwrite: bool) -> Plan {
    let mut facts: ClusterFacts = world.facts();
    facts.objects.extend(states.iter().map(|(name, state)| ((*name).to_owned(), *state)));
    let (observed, ledger) = (world.applied(), BTreeMap::new());
    let inputs = PlanInputs { addons, unwanted, overwrite_drift: overwrite, ..world.inputs(&observed, &ledger, &facts) };
    build(&inputs)
}

fn applied(plan: &Plan) -> Vec<(&str, Vec<&str>)> {
    let steps = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Objects { names, .. } | Action::RemoveObjects { names, .. } if step.stage == Stage::Addons => {
            Some((step.title.as_str(), names.iter().map(String::as_str).collect()))
        }
        _ => None,
    });
    steps.collect()
}

#[test]
fn an_add_on_is_applied_when_what_it_needs_serves() {
    let world = World::new(SEVEN, None);
    let addons = [addon("logs", &["dns"]), addon("views", &["logs"]), addon("alone", &[])];
    let plan = plan(&world, &addons, &[], &[], false);
    assert_eq!(applied(&plan).len(), 3);
    let order = Order::new(&plan);
    order.in_order(
        "",
        &[
            "CoreDNS is ready on different hosts",
            "apply logs",
            "logs: Deployment a/logs is ready",
            "logs: /apis/logs answers",
            "apply views",
        ],
    );
    let alone = order.get("", "apply alone");
    for title in ["apply logs", "CoreDNS is ready on different hosts", "logs: /apis/logs answers"] {
        assert!(!order.waits(alone, order.get("", title)), "`alone` waits for `{title}`");
    }
    assert!(order.waits(alone, order.get("", "5 nodes are Ready")));
}

#[test]
fn only_what_differs_is_applied_and_edits_stay() {
    let world = World::new(SEVEN, None);
    let addons = [addon("x", &[])];
    let same = [("Service a/x", ObjectDifference::Same), ("Deployment a/x", ObjectDifference::Same)];
    let nothing = plan(&world, &addons, &same, &[], false);
    assert_eq!((nothing.changes(), applied(&nothing)), (0, Vec::new()));
    let differs = [("Service a/x", ObjectDifference::Same), ("Deployment a/x", ObjectDifference::Differs)];
    assert_eq!(applied(&plan(&world, &addons, &differs, &[], false)), [("apply x", vec!["Deployment a/x"])]);
    // Its pods may run in another way on purpose; it must answer all the same.
    let edited = [("Service a/x", ObjectDifference::Same), ("Deployment a/x", ObjectDifference::Edited)];
    let kept = plan(&world, &addons, &edited, &[], false);
    assert_eq!(kept.changes(), 0);
    let titles: Vec<&str> = kept.steps.iter().filter(|step| step.stage == Stage::Addons).map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["x: /apis/x answers"]);
    assert_eq!(applied(&plan(&world, &addons, &edited, &[], true)), [("apply x", vec!["Deployment a/x"])]);
}

#[test]
fn what_is_not_wanted_goes_last() {
    let world = World::new(SEVEN, None);
    let gone = [object("Deployment", "old", "old"), object("ConfigMap", "more", "x")];
    let whole = plan(&world, &[addon("x", &[])], &[], &gone, false);
    assert_eq!(applied(&whole)[1], ("remove 2 objects of old, x", vec!["Deployment a/old", "ConfigMap a/more"]));
    Order::new(&whole).in_order("", &["apply x", "remove 2 objects of old, x"]);
    let alone = plan(&world, &[], &[], &gone[..1], false);
    assert_eq!((alone.changes(), applied(&alone)), (1, vec![("remove Deployment a/old of old", vec!["Deployment a/old"])]));
}

#[test]
fn objects_wait_for_the_images_of_their_pods() {
    let mut world = World::new(SEVEN, None);
    let reference = "registry.example/x:1".to_owned();
    let blob = Blob { digest: Digest::of(b"x"), size: 1 };
    let image = Resource::Image(Image { reference: reference.clone(), blob });
    for name in ["n1", "m1"] {
        let wanted = DesiredResource {
            resource: image.clone(),
            content: None,
            stage: Stage::Addons,
            after: Vec::new(),
            inputs: Vec::new(),
            component: None,
        };
        world.desired.get_mut(&named(name)).unwrap().resources.push(wanted);
    }
    let (observed, ledger, facts) = (world.fresh(), BTreeMap::new(), ClusterFacts::default());
    let addons = [addon("x", &[]), addon("y", &[])];
    let whole = build(&PlanInputs { addons: &addons, ..world.inputs(&observed, &ledger, &facts) });
    let order = Order::new(&whole);
    for host in ["n1", "m1"] {
        let import = order.get(host, &format!("import {reference}"));
        assert!(order.waits(order.get("", "apply x"), import));
        assert!(!order.waits(order.get("", "apply y"), import));
        assert!(!order.waits(order.get("", "CoreDNS is ready on different hosts"), import), "DNS waits for an add-on's image");
    }
}
