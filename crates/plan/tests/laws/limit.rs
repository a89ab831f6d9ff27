//! Limits narrow a plan and break nothing.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use barque_event::Stage;
use barque_model::{HostName, Role};
use barque_plan::{Action, Limit, Limited, Plan, limit};
use proptest::prelude::*;

use crate::world::{Order, SEVEN, World, host_of, named};

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(SEVEN, None))
}

/// A first deployment, and a change that restarts etcd, API servers and kubelets.
fn plans() -> &'static [Plan; 2] {
    static PLANS: OnceLock<[Plan; 2]> = OnceLock::new();
    PLANS.get_or_init(|| {
        let before = world();
        let text = format!(
            "{SEVEN}\n  extraArgs:\n    kubeApiserver:\n      event-ttl: 30m0s\n    etcd:\n      snapshot-count: \"20000\"\n  kubelet:\n    maxPods: 100\n"
        );
        let after = before.changed(&text);
        [before.first(), after.plan(&before.applied(), &after.facts())]
    })
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let hosts: Vec<HostName> = world().cluster.hosts.iter().map(|host| host.name.clone()).collect();
    prop_oneof![
        proptest::sample::select(hosts).prop_map(Limit::Host),
        proptest::sample::select(Role::ALL.to_vec()).prop_map(Limit::Role),
        proptest::sample::select(Stage::ALL.to_vec()).prop_map(Limit::Stage),
    ]
}

fn titles(limited: &Limited) -> BTreeSet<(String, String)> {
    limited.plan.steps.iter().map(|step| (host_of(step).to_owned(), step.title.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_limited_plan_is_whole(which in 0_usize..2, limits in proptest::collection::vec(any_limit(), 1..4)) {
        let (plan, cluster) = (&plans()[which], &world().cluster);
        let limited = limit(plan, &limits, cluster);
        // Numbers, and everything that a step needs: `Order` checks both.
        let order = Order::new(&limited.plan);
        prop_assert_eq!(limited.plan.steps.len() + limited.left_out.len(), plan.steps.len());
        // The same steps in the same order, and each still waits for what it waited for.
        let mut whole = plan.steps.iter();
        for step in &limited.plan.steps {
            let original = whole.find(|original| original.title == step.title && original.host == step.host && original.action == step.action);
            let Some(original) = original else { return Err(TestCaseError::fail(format!("`{}` is out of order", step.title))) };
            let needs = |plan: &Plan, after: &[barque_plan::StepId]| -> Vec<String> {
                after.iter().map(|id| format!("{:?}", plan.steps[id.0 as usize].action)).collect()
            };
            prop_assert_eq!(needs(plan, &original.after), needs(&limited.plan, &step.after));
        }
        // All changes that were asked for are there.
        for step in limited.left_out.iter().filter(|step| step.action.changes()) {
            for limit in &limits {
                let asked = match limit {
                    Limit::Host(host) => step.host.as_ref() == Some(host),
                    Limit::Role(role) => step.host.as_ref().is_some_and(|host| cluster.host(host).unwrap().has(*role)),
                    Limit::Stage(stage) => step.stage == *stage,
                };
                prop_assert!(!asked, "`{}` was asked for", step.title);
            }
        }
        // What was pulled in is needed by something.
        for id in &limited.pulled_in {
            let index = id.0 as usize;
            prop_assert!(limited.plan.steps[index].action.changes());
            prop_assert!((0..limited.plan.steps.len()).any(|later| order.waits(later, index)));
        }
        // No master stays out of balance.
        for step in &limited.plan.steps {
            if let Action::Drain { master, .. } = &step.action {
                let back = order.find("", &format!("{master} is back in balance"));
                prop_assert!(back.is_some_and(|back| order.waits(back, step.id.0 as usize)), "{} stays out of balance", master);
            }
        }
        // More limits keep more.
        let more: Vec<Limit> = limits.iter().cloned().chain([Limit::Host(named("lb1"))]).collect();
        prop_assert!(titles(&limited).is_subset(&titles(&limit(plan, &more, cluster))));
    }
}

#[test]
fn everything_is_the_whole_plan() {
    let cluster = &world().cluster;
    let hosts: Vec<Limit> = cluster.hosts.iter().map(|host| Limit::Host(host.name.clone())).collect();
    for plan in plans() {
        for limits in [Vec::new(), hosts.clone(), Role::ALL.map(Limit::Role).to_vec(), Stage::ALL.map(Limit::Stage).to_vec()] {
            let limited = limit(plan, &limits, cluster);
            assert_eq!(serde_json::to_vec(&limited.plan).unwrap(), serde_json::to_vec(plan).unwrap(), "{limits:?}");
            assert!(limited.left_out.is_empty() && limited.pulled_in.is_empty());
        }
    }
}

#[test]
fn one_host_brings_its_predecessors_and_its_gates() {
    let [first, plan] = plans();
    let limited = limit(first, &[Limit::Host(named("n1"))], &world().cluster);
    let changes = |host: &str| limited.plan.steps.iter().filter(|step| step.action.changes() && host_of(step) == host).count();
    let asked = first.steps.iter().filter(|step| step.action.changes() && host_of(step) == "n1").count();
    assert_eq!(changes("n1"), asked);
    let started = |title: &str| limited.plan.steps.iter().any(|step| host_of(step) == "m1" && step.title == title);
    assert!(started("start etcd.service") && started("start kube-apiserver.service"), "a node needs the API");
    assert!(!started("start kubelet.service"), "and no other node");
    assert_eq!(changes("n2"), 0);
    let limited = limit(plan, &[Limit::Host(named("m2"))], &world().cluster);
    let found = titles(&limited);
    let has = |host: &str, title: &str| found.contains(&(host.to_owned(), title.to_owned()));
    assert!(has("m2", "restart etcd.service") && has("m1", "restart etcd.service"), "m1 goes first, as always");
    assert!(has("", "take m2 out of balance") && has("", "m2 is back in balance") && has("m2", "the API server is ready"));
    assert!(!has("m3", "restart etcd.service") && !has("n1", "restart kubelet.service"));
    assert!(limited.pulled_in.iter().all(|id| host_of(&limited.plan.steps[id.0 as usize]) == "m1"));
    let limited = limit(plan, &[Limit::Host(named("n1"))], &world().cluster);
    let changes: Vec<&str> = limited.plan.steps.iter().filter(|step| step.action.changes()).map(host_of).collect();
    assert!(!changes.is_empty() && changes.iter().all(|host| *host == "n1"));
    assert!(!limited.plan.steps.iter().any(|step| matches!(step.action, Action::Snapshot | Action::Drain { .. })));
}

#[test]
fn limits_read_as_they_are_written() {
    let cluster = &world().cluster;
    let parse = |text: &str| Limit::parse(text, cluster);
    for text in ["m1", "host=m1"] {
        assert_eq!(parse(text), Ok(Limit::Host(named("m1"))));
    }
    for text in ["role=loadBalancer", "role=load-balancer", "role=LOADBALANCER"] {
        assert_eq!(parse(text), Ok(Limit::Role(Role::LoadBalancer)));
    }
    for (text, stage) in [("stage=etcd", Stage::Etcd), ("stage=load-balancer", Stage::LoadBalancer), ("stage=DNS", Stage::Dns)] {
        assert_eq!(parse(text), Ok(Limit::Stage(stage)));
    }
    for text in ["m9", "role=m1", "stage=master", "colour=red", "", "="] {
        assert!(parse(text).is_err(), "{text}");
    }
    insta::assert_snapshot!(parse("master").unwrap_err(), @"`master` is no host, role or stage: hosts are lb1, lb2, m1, m2, m3, n1, n2; roles (`role=…`) etcd, loadBalancer, master, node; stages (`stage=…`) hosts, etcd, loadBalancer, masters, nodes, labels, dns, addons");
}
