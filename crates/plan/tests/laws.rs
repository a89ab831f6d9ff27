//! Laws of the planner, over the article's layout of seven hosts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Cluster, Digest, HostName, NodeState, ObjectDifference, Release, Version};
use barque_pki::Vault;
use barque_plan::{
    Action, Archive, ArtifactIndex, Blob, Change, ClusterFacts, ClusterObject, DesiredInputs, HostDesired, HostObserved, LedgerEntry,
    MemberHealth, Observed, Plan, PlanInputs, Prior, QuorumRefusal, Resource, ResourceId, UnitState, build, desired, held, keeps_quorum,
};

const FILE: &str = include_str!("../../../examples/ha.yaml");

fn cluster(text: &str) -> Cluster {
    let versions = [Version::new(1, 37, 2)];
    barque_spec::parse(text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster
}

fn blob(text: &str) -> Blob {
    Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
}

struct World {
    cluster: Cluster,
    desired: BTreeMap<HostName, HostDesired>,
    objects: Vec<ClusterObject>,
}

impl World {
    fn new(text: &str, vault: Option<Vault>) -> (Self, Vault) {
        let cluster = cluster(text);
        let release: Release = barque_catalog::release(&cluster.kubernetes).unwrap();
        let (vault, _) = barque_pki::issue(&cluster, vault, "2026-11-25T00:00:00Z".parse().unwrap()).unwrap();
        let mut artifacts = ArtifactIndex::default();
        let mut worlds = BTreeMap::new();
        for host in &cluster.hosts {
            for need in barque_render::binaries(&release, host) {
                let content = blob(&format!("{} {}", need.artifact, need.version));
                artifacts.binaries.insert((need.artifact, need.version), content);
            }
            for package in barque_render::packages(&cluster, host) {
                let archive = Archive { name: package.to_owned(), version: "1".into(), blob: blob(package) };
                artifacts.packages.insert(package.to_owned(), vec![archive]);
            }
        }
        for need in barque_render::images(&release) {
            artifacts.images.insert(need.reference.clone(), blob(&need.reference));
        }
        for host in &cluster.hosts {
            let secrets = barque_pki::files_for(&cluster, host, &vault).unwrap();
            let inputs =
                DesiredInputs { cluster: &cluster, release: &release, secrets: &secrets, artifacts: &artifacts, interface: "eth0" };
            worlds.insert(host.name.clone(), desired(&inputs, host).unwrap());
        }
        let objects = vec![ClusterObject { name: "ClusterRole x".into(), json: "{}".into() }];
        (Self { cluster, desired: worlds, objects }, vault)
    }

    fn inputs<'a>(
        &'a self,
        observed: &'a BTreeMap<HostName, HostObserved>,
        ledger: &'a BTreeMap<HostName, Vec<LedgerEntry>>,
        facts: &'a ClusterFacts,
    ) -> PlanInputs<'a> {
        PlanInputs {
            cluster: &self.cluster,
            desired: &self.desired,
            observed,
            ledger,
            overwrite_drift: false,
            facts,
            bootstrap: &self.objects,
            dns: &[],
            authority: "PEM",
        }
    }

    fn plan(&self, observed: &BTreeMap<HostName, HostObserved>, facts: &ClusterFacts) -> Plan {
        build(&self.inputs(observed, &BTreeMap::new(), facts))
    }

    /// What the journals of all hosts tell after everything was applied.
    fn ledger(&self) -> BTreeMap<HostName, Vec<LedgerEntry>> {
        let run = "20261125T020304Z-1a2b".parse::<barque_model::RunId>().unwrap();
        let entry =
            |resource: &Resource| LedgerEntry { resource: resource.clone(), run: run.clone(), original: Prior::Absent, uncertain: false };
        let host = |wanted: &HostDesired| wanted.resources.iter().map(|wanted| entry(&wanted.resource)).collect();
        self.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
    }

    /// What agents see after everything was applied.
    fn applied(&self) -> BTreeMap<HostName, HostObserved> {
        let host = |wanted: &HostDesired| {
            let resources = wanted.resources.iter().map(|wanted| (wanted.resource.id(), as_applied(&wanted.resource))).collect();
            HostObserved { resources, missing_blobs: BTreeSet::new() }
        };
        self.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
    }

    /// What agents see of fresh hosts.
    fn fresh(&self) -> BTreeMap<HostName, HostObserved> {
        let host = |wanted: &HostDesired| {
            let missing_blobs = wanted.resources.iter().flat_map(|wanted| wanted.resource.blobs()).map(|blob| blob.digest).collect();
            HostObserved { resources: BTreeMap::new(), missing_blobs }
        };
        self.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
    }

    /// What the API says after everything was applied.
    fn facts(&self) -> ClusterFacts {
        let role = |name: &str| (format!("node-role.kubernetes.io/{name}"), String::new());
        let nodes = self.cluster.hosts.iter().filter(|host| host.is_node()).map(|host| {
            let mut labels = host.labels.clone();
            labels.extend(host.has(barque_model::Role::Master).then(|| role("control-plane")));
            labels.extend(host.has(barque_model::Role::Node).then(|| role("node")));
            NodeState {
                name: host.name.to_string(),
                ready: true,
                message: String::new(),
                version: "v1.37.2".into(),
                addresses: vec![host.address.to_string()],
                labels,
                taints: host.taints.clone(),
            }
        });
        ClusterFacts {
            nodes: nodes.collect(),
            objects: self.objects.iter().map(|object| (object.name.clone(), ObjectDifference::Same)).collect(),
        }
    }
}

fn as_applied(resource: &Resource) -> Observed {
    match resource {
        Resource::Directory(directory) => Observed::Directory { mode: directory.mode, owner: directory.owner.clone() },
        Resource::File(file) => Observed::File { digest: file.digest, mode: file.mode, owner: file.owner.clone() },
        Resource::Binary(binary) => Observed::Binary { target: Some(binary.blob.digest), intact: true },
        Resource::Unit(unit) => Observed::Unit(UnitState {
            loaded: true,
            enabled: true,
            active: "active".into(),
            sub: "running".into(),
            fingerprint: Some(unit.fingerprint),
            restarts: 0,
            active_since: 1,
        }),
        Resource::User(_) => Observed::User,
        Resource::Sysctl(sysctl) => Observed::Sysctl { value: sysctl.value.clone(), writable: true },
        Resource::Package(package) => Observed::Package {
            installed: package.archives.iter().map(|archive| (archive.name.clone(), archive.version.clone())).collect(),
        },
        Resource::Image(image) => Observed::Image { digest: Some(image.blob.digest) },
        Resource::HostsLine(_) => Observed::HostsLine,
    }
}

fn changed_units(plan: &Plan) -> Vec<(String, String, Change)> {
    let units = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Apply { resource: Resource::Unit(unit), difference, .. } => {
            Some((step.host.as_ref()?.to_string(), unit.name.clone(), difference.change))
        }
        _ => None,
    });
    units.collect()
}

/// Whether `later` waits for `earlier`, directly or through other steps.
fn waits(plan: &Plan, later: usize, earlier: usize) -> bool {
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
    let (world, _) = World::new(FILE, None);
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
    let (world, _) = World::new(FILE, None);
    let bytes = || serde_json::to_vec(&world.plan(&world.fresh(), &ClusterFacts::default())).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_plan_reads_back() {
    let (world, _) = World::new(FILE, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    assert!(!text.contains("PRIVATE KEY"), "a plan must not carry secrets");
}

#[test]
fn nothing_to_do_when_all_is_applied() {
    let (world, _) = World::new(FILE, None);
    let plan = world.plan(&world.applied(), &world.facts());
    let changes: Vec<&str> = plan.steps.iter().filter(|step| step.action.changes()).map(|step| step.title.as_str()).collect();
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn every_single_fault_leads_to_its_own_repair() {
    let (world, _) = World::new(FILE, None);
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
    let (before, vault) = World::new(FILE, None);
    let changed = format!("{FILE}\n  extraArgs:\n    kubeApiserver:\n      event-ttl: 30m0s\n");
    let (after, _) = World::new(&changed, Some(vault));
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
    let (world, _) = World::new(FILE, None);
    let mut observed = world.applied();
    let host: HostName = "m2".parse().unwrap();
    let edited = Observed::File { digest: Digest::of(b"edited by hand"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&host).unwrap().resources.insert(ResourceId("file /etc/systemd/system/kube-scheduler.service".into()), edited);
    let plan = world.plan(&observed, &world.facts());
    assert_eq!(changed_units(&plan), [("m2".to_owned(), "kube-scheduler.service".to_owned(), Change::Restart)]);
}

#[test]
fn the_api_server_waits_for_etcd_and_nothing_waits_for_labels() {
    let (world, _) = World::new(FILE, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let position = |title: &str| plan.steps.iter().position(|step| step.title == title).unwrap_or_else(|| panic!("no step `{title}`"));
    assert!(waits(&plan, position("start kube-apiserver.service"), position("all 3 etcd members are healthy, with one leader")));
    assert!(
        !waits(&plan, position("start containerd.service"), position("start kube-apiserver.service")),
        "the runtime need not wait for the API"
    );
    assert!(!waits(&plan, position("send kubelet"), position("start etcd.service")), "bytes flow while etcd elects");
}

fn named(text: &str) -> HostName {
    text.parse().unwrap()
}

#[test]
fn an_edited_file_that_barque_wrote_is_held() {
    let (world, _) = World::new(FILE, None);
    let mut observed = world.applied();
    let id = ResourceId("file /etc/kubernetes/kube-apiserver.env".into());
    let edited = Observed::File { digest: Digest::of(b"edited by hand"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), edited);
    let (ledger, facts) = (world.ledger(), world.facts());
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
    let (world, _) = World::new(FILE, None);
    let id = ResourceId("file /etc/kubernetes/kube-apiserver.env".into());
    let facts = world.facts();
    let mut observed = world.applied();
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), Observed::Absent);
    assert!(held(&world.inputs(&observed, &world.ledger(), &facts)).is_empty(), "a missing file carries no work");
    let other = Observed::File { digest: Digest::of(b"half of a change"), mode: 0o644, owner: barque_model::Owner::root() };
    observed.get_mut(&named("m2")).unwrap().resources.insert(id.clone(), other);
    let mut ledger = world.ledger();
    for entry in ledger.get_mut(&named("m2")).unwrap() {
        entry.uncertain = entry.id() == id;
    }
    assert!(held(&world.inputs(&observed, &ledger, &facts)).is_empty(), "nobody knows who wrote it");
}

#[test]
fn what_is_not_wanted_any_more_goes_after_its_unit() {
    let (world, _) = World::new(FILE, None);
    let (host, facts) = (named("n1"), world.facts());
    let mut ledger = world.ledger();
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
    let (before, vault) = World::new(FILE, None);
    let changed = format!("{FILE}\n  extraArgs:\n    etcd:\n      snapshot-count: \"20000\"\n");
    let (after, _) = World::new(&changed, Some(vault));
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
fn etcd_does_not_start_without_a_quorum_of_hosts() {
    let (world, _) = World::new(FILE, None);
    let plan = world.plan(&world.fresh(), &ClusterFacts::default());
    let absent = |hosts: &[&str]| hosts.iter().map(|host| named(host)).collect::<BTreeSet<_>>();
    assert_eq!(keeps_quorum(&plan, &world.cluster, &[], &absent(&["m3"])), Ok(()));
    assert!(keeps_quorum(&plan, &world.cluster, &[], &absent(&["m2", "m3"])).is_err());
}

#[test]
fn the_watchdog_starts_after_every_unit_that_it_watches() {
    let (world, _) = World::new(FILE, None);
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
