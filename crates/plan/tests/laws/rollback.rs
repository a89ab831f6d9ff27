//! Rollbacks of a change, of the first deployment, and of that rollback.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{HostName, Role};
use barque_plan::{
    Action, KubeUndo, MemberHealth, Plan, Prior, Probe, Resource, Sweep, UndoInputs, UndoItem, irreversible, keeps_quorum, undo,
};

use crate::world::{Order, SEPARATE_ETCD, SEVEN, World, as_found, as_prior, host_of, named, restored, run};

pub(crate) type Items = BTreeMap<HostName, Vec<UndoItem>>;

/// A rollback's inputs with everything that is not in question.
pub(crate) struct Case<'a> {
    pub(crate) world: &'a World,
    pub(crate) items: Items,
    pub(crate) kube: Vec<KubeUndo>,
    pub(crate) delete_data: bool,
    pub(crate) unreachable: BTreeSet<HostName>,
}

impl<'a> Case<'a> {
    pub(crate) const fn new(world: &'a World, items: Items) -> Self {
        Self { world, items, kube: Vec::new(), delete_data: false, unreachable: BTreeSet::new() }
    }

    pub(crate) fn with<T>(&self, ask: impl Fn(&UndoInputs<'_>) -> T) -> T {
        let before = run();
        ask(&UndoInputs {
            cluster: &self.world.cluster,
            items: &self.items,
            kube: &self.kube,
            before: &before,
            delete_data: self.delete_data,
            authority: "PEM",
            unreachable: &self.unreachable,
        })
    }

    pub(crate) fn plan(&self) -> Plan {
        self.with(undo)
    }

    /// Each item once, and nothing else.
    pub(crate) fn restores_all_but(&self, plan: &Plan, left_out: impl Fn(&Resource) -> bool) {
        let mut found: Vec<String> = plan.steps.iter().filter_map(restored).collect();
        found.sort();
        let items = self.items.iter().flat_map(|(host, items)| items.iter().map(move |item| (host, item)));
        let mut wanted: Vec<String> =
            items.filter(|(_, item)| !left_out(&item.resource)).map(|(host, item)| format!("{host} {}", item.resource.id())).collect();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}

pub(crate) fn item(resource: &Resource, prior: Prior) -> UndoItem {
    UndoItem { resource: resource.clone(), prior, run: run() }
}

/// Everything goes back to `prior`.
pub(crate) fn all(world: &World, prior: impl Fn(&Resource) -> Prior) -> Items {
    let items = |resources: &barque_plan::HostDesired| {
        // As journals are read: the latest change first.
        resources.resources.iter().rev().map(|wanted| item(&wanted.resource, prior(&wanted.resource))).collect()
    };
    world.desired.iter().map(|(host, wanted)| (host.clone(), items(wanted))).collect()
}

/// What the change from one cluster file to another leaves to take back.
pub(crate) fn change(before: &World, after: &World) -> Items {
    let plan = after.plan(&before.applied(), &after.facts());
    let mut items = Items::new();
    for step in &plan.steps {
        let Action::Apply { resource, .. } = &step.action else { continue };
        let host = step.host.clone().unwrap();
        let former = before.desired[&host].resources.iter().find(|wanted| wanted.resource.id() == resource.id());
        let prior = former.map_or(Prior::Absent, |former| as_prior(&former.resource));
        items.entry(host).or_default().push(item(resource, prior));
    }
    items
}

/// A flag more for the API server, another value for etcd and one for kubelet.
fn three_parameters() -> (World, World) {
    let before = World::new(SEVEN, None);
    let text = format!(
        "{SEVEN}\n  extraArgs:\n    kubeApiserver:\n      event-ttl: 30m0s\n    etcd:\n      snapshot-count: \"20000\"\n  kubelet:\n    maxPods: 100\n"
    );
    let after = before.changed(&text);
    (before, after)
}

const fn is_image(resource: &Resource) -> bool {
    matches!(resource, Resource::Image(_))
}

pub(crate) fn titles(plan: &Plan, wanted: impl Fn(&Action) -> bool) -> Vec<String> {
    plan.steps.iter().filter(|step| wanted(&step.action)).map(|step| step.title.clone()).collect()
}

#[test]
fn the_first_deployment_goes_without_a_trace() {
    for text in [SEVEN, SEPARATE_ETCD] {
        let world = World::new(text, None);
        let mut case = Case::new(&world, all(&world, as_found));
        case.delete_data = true;
        case.kube = vec![KubeUndo::Delete { object: r#"{"kind":"ClusterRole","metadata":{"name":"x"}}"#.into() }];
        let plan = case.plan();
        case.restores_all_but(&plan, is_image);
        let not_restored = titles(&plan, |action| !matches!(action, Action::Restore { .. } | Action::Sweep { .. }));
        assert!(not_restored.is_empty(), "{not_restored:?}");
        let health: Vec<MemberHealth> =
            world.cluster.with_role(Role::Etcd).map(|host| MemberHealth { host: host.name.clone(), healthy: true }).collect();
        assert_eq!(keeps_quorum(&plan, &world.cluster, &health, &BTreeSet::new()), Ok(()), "etcd ends on purpose");
        for host in &world.cluster.hosts {
            let waits_elsewhere = plan
                .steps
                .iter()
                .filter(|step| step.host.as_ref() == Some(&host.name))
                .any(|step| step.after.iter().any(|needed| plan.steps[needed.0 as usize].host.as_ref() != Some(&host.name)));
            assert!(!waits_elsewhere, "{} waits for another host", host.name);
        }
    }
}

#[test]
fn a_host_ends_in_order() {
    let world = World::new(SEVEN, None);
    let mut case = Case::new(&world, all(&world, as_found));
    case.delete_data = true;
    let plan = case.plan();
    let order = Order::new(&plan);
    for host in ["m1", "n1"] {
        order.in_order(
            host,
            &[
                "stop barque-watchdog.timer",
                "stop kubelet.service",
                "end all pods",
                "stop containerd.service",
                "remove the pods' network",
                "remove what containers and their programs wrote",
                "remove /var/lib/kubelet",
            ],
        );
        order.in_order(host, &["end all pods", "stop containerd.service", "remove /usr/local/bin/ctr"]);
        order.in_order(host, &["stop containerd.service", "remove /opt/cni/bin/bridge", "remove /opt/cni/bin", "remove /opt/cni"]);
        order.in_order(host, &["stop kube-proxy.service", "remove the pods' network", "remove package iptables nftables"]);
        order.in_order(host, &["stop flanneld.service", "remove the pods' network"]);
        order.in_order(host, &["remove /var/lib/kubelet/config.yaml", "remove what containers and their programs wrote"]);
        order.in_order(host, &["stop kubelet.service", "remove /usr/local/bin/kubelet"]);
        order.in_order(host, &["stop barque-watchdog.timer", "remove /usr/local/lib/barque/watchdog.sh"]);
    }
    order.in_order(
        "m1",
        &[
            "stop kube-scheduler.service",
            "stop kube-apiserver.service",
            "stop etcd.service",
            "delete etcd's data",
            "remove /var/lib/etcd",
            "remove user etcd",
        ],
    );
    order.in_order(
        "m1",
        &["stop kube-controller-manager.service", "stop kube-apiserver.service", "remove /etc/kubernetes/kube-apiserver.env"],
    );
    order.in_order("m1", &["stop etcd.service", "remove /etc/etcd/etcd.env", "remove /etc/etcd"]);
    order.in_order("m1", &["remove /etc/kubernetes/pki/etcd/peer.key", "remove user etcd"]);
    order.in_order(
        "lb1",
        &[
            "stop keepalived.service",
            "stop haproxy.service",
            "remove /etc/haproxy/haproxy.cfg",
            "remove package haproxy",
            "remove /etc/haproxy",
        ],
    );
    let files = order.get("m1", "remove /etc/sysctl.d/90-barque.conf");
    assert!(plan.steps[files].after.is_empty(), "the file of kernel parameters waits for nothing");
}

#[test]
fn etcds_data_stay_with_their_owner_unless_they_are_to_be_deleted() {
    let world = World::new(SEVEN, None);
    let mut case = Case::new(&world, all(&world, as_found));
    let plan = case.plan();
    case.restores_all_but(&plan, |resource| {
        is_image(resource) || ["user etcd", "directory /var/lib/etcd"].contains(&resource.id().0.as_str())
    });
    let swept = |plan: &Plan| -> BTreeSet<String> {
        let paths = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Sweep { sweep: Sweep::Paths { paths } } => Some(paths.clone()),
            _ => None,
        });
        paths.flatten().collect()
    };
    assert!(!swept(&plan).iter().any(|path| path.starts_with("/var/lib/etcd")));
    insta::assert_snapshot!(case.with(irreversible).join("\n"), @r"
    etcd's data on m1, m2, m3 stay in /var/lib/etcd/member, with their folder and the user `etcd`; `--delete-data` deletes them
    all pods on m1, m2, m3, n1, n2 end; what they wrote to their containers and to emptyDir volumes is gone, what they wrote to other volumes stays
    ");
    case.delete_data = true;
    insta::assert_debug_snapshot!(swept(&case.plan()), @r#"
    {
        "/etc/iproute2/rt_addrprotos.d/keepalived.conf",
        "/etc/systemd/logind.conf.d/99-kubelet.conf",
        "/opt/containerd",
        "/run/containerd",
        "/run/flannel",
        "/usr/libexec/kubernetes",
        "/var/lib/cni",
        "/var/lib/containerd",
        "/var/lib/etcd/member",
        "/var/lib/haproxy",
        "/var/lib/kubelet",
    }
    "#);
    assert!(case.with(irreversible)[0].contains("deleted for good"));
}

#[test]
fn three_parameters_go_back_one_host_after_the_other() {
    let (before, after) = three_parameters();
    let mut case = Case::new(&after, change(&before, &after));
    case.kube = vec![KubeUndo::Replace { object: r#"{"kind":"ClusterRole","metadata":{"name":"x"}}"#.into() }];
    let plan = case.plan();
    case.restores_all_but(&plan, |_| false);
    let order = Order::new(&plan);
    let snapshot = order.get("m3", "save a snapshot of etcd's data");
    let objects = order.get("", "take back the change of ClusterRole x");
    assert!(order.waits(objects, snapshot), "objects lie in etcd too");
    for host in ["m1", "m2", "m3"] {
        let (drain, returned) =
            (order.get("", &format!("take {host} out of balance")), order.get("", &format!("{host} is back in balance")));
        let etcd = order.get(host, "restart etcd.service with its former settings");
        let api = order.get(host, "restart kube-apiserver.service with its former settings");
        for unit in [etcd, api] {
            assert!(order.waits(unit, drain) && order.waits(unit, snapshot) && order.waits(unit, objects));
            assert!(order.waits(returned, unit));
        }
        assert!(
            order.waits(drain, order.get(host, "restore /etc/kubernetes/kube-apiserver.env")),
            "{host} is away while its files are written"
        );
        order.in_order(
            host,
            &[
                "restore /etc/etcd/etcd.env",
                "restart etcd.service with its former settings",
                "etcd is healthy again",
                "restart kube-apiserver.service with its former settings",
                "the API server is ready",
            ],
        );
        order.in_order(host, &["restore /var/lib/kubelet/config.yaml", "restart kubelet.service with its former settings"]);
        assert!(order.waits(returned, order.get(host, "the API server is ready")));
    }
    for (first, second) in [("m1", "m2"), ("m2", "m3")] {
        let ends = [
            order.get("", &format!("{first} is back in balance")),
            order.get(first, "the API server is ready"),
            order.get(first, "restart kubelet.service with its former settings"),
        ];
        let begins = [
            order.get("", &format!("take {second} out of balance")),
            order.get(second, "restore /etc/etcd/etcd.env"),
            order.get(second, "restart kubelet.service with its former settings"),
        ];
        assert!(begins.iter().all(|begin| ends.iter().all(|end| order.waits(*begin, *end))), "{second} begins before {first} is done");
    }
    for title in ["all 3 etcd members are healthy, with one leader", "every balancer sees every API server", "5 nodes are Ready"] {
        assert!(plan.steps.iter().any(|step| step.title == title), "no `{title}`");
    }
    assert!(!order.waits(order.get("n1", "restart kubelet.service with its former settings"), snapshot), "nodes need not wait for masters");
    assert!(case.with(irreversible).is_empty());
    let health = ["m1", "m2", "m3"].map(|host| MemberHealth { host: named(host), healthy: true });
    assert_eq!(keeps_quorum(&plan, &after.cluster, &health, &BTreeSet::new()), Ok(()));
}

#[test]
fn a_host_that_does_not_answer_is_not_asked() {
    let (before, after) = three_parameters();
    let mut case = Case::new(&after, change(&before, &after));
    case.unreachable = ["m3", "lb2", "n2"].map(named).into();
    let plan = case.plan();
    assert!(plan.steps.iter().all(|step| !["m3", "lb2", "n2"].contains(&host_of(step))));
    for step in &plan.steps {
        match &step.action {
            Action::Gate { probe: Probe::EtcdHealthy { endpoints, members }, .. } => assert_eq!((endpoints.len(), *members), (2, 2)),
            Action::Drain { balancers, .. } | Action::Return { balancers, .. } => assert_eq!(*balancers, [named("lb1")]),
            Action::AddressGate { hosts, .. } => assert_eq!(*hosts, [named("lb1")]),
            _ => {}
        }
    }
    assert!(plan.steps.iter().any(|step| step.title == "4 nodes are Ready" || step.title == "3 nodes are Ready"));
}

#[test]
fn what_was_taken_away_comes_back_in_the_order_of_a_deployment() {
    let world = World::new(SEVEN, None);
    let mut case = Case::new(&world, all(&world, as_prior));
    case.kube = vec![KubeUndo::Delete { object: r#"{"kind":"ClusterRole","metadata":{"name":"x"}}"#.into() }];
    let plan = case.plan();
    case.restores_all_but(&plan, |_| false);
    let order = Order::new(&plan);
    assert!(titles(&plan, |action| matches!(action, Action::Drain { .. } | Action::Snapshot)).is_empty());
    let etcd = order.get("m1", "all 3 etcd members are healthy, with one leader");
    for host in ["m1", "m2", "m3"] {
        order.in_order(host, &["restore /etc/etcd", "restore /etc/etcd/etcd.env", "start etcd.service"]);
        order.in_order(host, &["restore user etcd", "restore /var/lib/etcd", "start etcd.service"]);
        assert!(order.waits(etcd, order.get(host, "start etcd.service")));
        assert!(order.waits(order.get(host, "start kube-apiserver.service"), etcd));
        order.in_order(host, &["the API server is ready", "start kubelet.service"]);
        for other in ["m1", "m2", "m3"].iter().filter(|other| **other != host) {
            let start = |host: &str| order.get(host, "start etcd.service");
            assert!(!order.waits(start(host), start(other)), "etcd needs its quorum to be healthy");
        }
    }
    order.in_order("lb1", &["restore package haproxy", "start haproxy.service", "start keepalived.service"]);
    order.in_order(
        "n1",
        &[
            "restore /usr/local/bin/containerd",
            "start containerd.service",
            "start kubelet.service",
            "start flanneld.service",
            "restart barque-watchdog.timer with its former settings",
        ],
    );
    let image = order.plan.steps.iter().position(|step| host_of(step) == "n1" && step.title.starts_with("restore image ")).unwrap();
    assert!(order.waits(image, order.get("n1", "start containerd.service")));
    let objects = order.get("", "take back the change of ClusterRole x");
    assert!(order.waits(objects, order.get("m1", "the API server is ready")));
}
