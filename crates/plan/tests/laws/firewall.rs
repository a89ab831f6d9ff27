//! The plan of a packet filter: under a switch, and nobody else's business.

use std::collections::{BTreeMap, BTreeSet};

use barque_event::Stage;
use barque_model::{Digest, HostName, Owner};
use barque_plan::{
    Action, Archive, Blob, DesiredResource, Directory, FIREWALL_FOLDER, FIREWALL_UNIT, FIREWALL_UNIT_FILE, File, FirewallInputs,
    HostDesired, HostObserved, LedgerEntry, OnChange, Package, Plan, Resource, ResourceId, Unit, build, firewall, held,
};

use crate::rollback::{Case, item};
use crate::world::{Order, SEVEN, World, as_applied, as_found, as_prior, named, restored, run};

const ARM: &str = "arm the dead-man switch, 60 s";
const CONFIRM: &str = "connect to every host anew and confirm the rules";
const RULES: &str = "/etc/barque/firewall.nft";

/// What must be on a host, with rules of this content.
fn wanted(rules: &str, package: bool) -> HostDesired {
    let plain = |resource: Resource, after: Vec<ResourceId>| DesiredResource {
        resource,
        content: None,
        stage: Stage::Hosts,
        after,
        inputs: Vec::new(),
        component: None,
    };
    let file = |path: &str, text: &str| {
        Resource::File(File { path: path.into(), digest: Digest::of(text.as_bytes()), mode: 0o644, owner: Owner::root(), sensitive: false })
    };
    let folder = FIREWALL_FOLDER.trim_end_matches('/').to_owned();
    let folder = Resource::Directory(Directory { path: folder, mode: 0o755, owner: Owner::root() });
    let before = vec![folder.id()];
    let mut resources = vec![plain(folder, Vec::new())];
    if package {
        let archive = Archive { name: "nftables".into(), version: "1".into(), blob: Blob { digest: Digest::of(b"nft"), size: 3 } };
        resources.push(plain(
            Resource::Package(Package { name: "nftables".into(), archives: vec![archive], form: barque_plan::PackageForm::Native }),
            Vec::new(),
        ));
    }
    let inputs = vec![ResourceId(format!("file {RULES}")), ResourceId(format!("file {FIREWALL_UNIT_FILE}"))];
    resources.push(plain(file(RULES, rules), before.clone()));
    resources.push(plain(file(FIREWALL_UNIT_FILE, "unit"), before));
    let unit = Unit {
        name: FIREWALL_UNIT.into(),
        fingerprint: Digest::of(rules.as_bytes()),
        on_change: OnChange::Reload,
        start_timeout_seconds: 30,
        restart_limit: 1,
    };
    let after = resources.iter().map(|other| other.resource.id()).collect();
    resources.push(DesiredResource { inputs, ..plain(Resource::Unit(unit), after) });
    HostDesired { resources }
}

fn seen(desired: &HostDesired) -> HostObserved {
    let resources = desired.resources.iter().map(|wanted| (wanted.resource.id(), as_applied(&wanted.resource))).collect();
    HostObserved { resources, missing_blobs: BTreeSet::new() }
}

fn entries(desired: &HostDesired) -> Vec<LedgerEntry> {
    let entry = |wanted: &DesiredResource| LedgerEntry {
        resource: wanted.resource.clone(),
        run: run(),
        original: as_found(&wanted.resource),
        uncertain: false,
    };
    desired.resources.iter().map(entry).collect()
}

/// The plan for hosts `a` and `b`.
fn plan(desired: &HostDesired, observed: &HostObserved, ledger: &[LedgerEntry]) -> Plan {
    let both = |name: &str| named(name);
    let desired: BTreeMap<HostName, HostDesired> = ["a", "b"].map(|name| (both(name), desired.clone())).into();
    let observed: BTreeMap<HostName, HostObserved> = ["a", "b"].map(|name| (both(name), observed.clone())).into();
    let ledger: BTreeMap<HostName, Vec<LedgerEntry>> = ["a", "b"].map(|name| (both(name), ledger.to_vec())).into();
    firewall(&FirewallInputs { desired: &desired, observed: &observed, ledger: &ledger, confirm_within: 60 })
}

/// Every change but of packages waits for its host's switch, and the confirmation for everything.
fn is_guarded(plan: &Plan) {
    let order = Order::new(plan);
    let confirm = order.get("", CONFIRM);
    for (index, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.action.changes()) {
        let host = step.host.as_ref().unwrap().as_str();
        let is_package = matches!(&step.action, Action::Apply { resource: Resource::Package(_), .. });
        assert_eq!(order.waits(index, order.get(host, ARM)), !is_package, "{}", step.title);
        assert!(order.waits(confirm, index), "nothing is confirmed before `{}`", step.title);
    }
    assert_eq!(plan.steps[confirm].action, Action::Confirm { hosts: vec![named("a"), named("b")] });
}

#[test]
fn rules_come_under_a_switch_and_the_second_time_nothing_does() {
    let desired = wanted("1", true);
    let missing = desired.resources.iter().flat_map(|wanted| wanted.resource.blobs()).map(|blob| blob.digest).collect();
    let fresh = plan(&desired, &HostObserved { resources: BTreeMap::new(), missing_blobs: missing }, &[]);
    is_guarded(&fresh);
    Order::new(&fresh).in_order(
        "a",
        &[
            "send package nftables",
            "install package nftables",
            ARM,
            "create /etc/barque",
            &format!("create {RULES}"),
            &format!("start {FIREWALL_UNIT}"),
        ],
    );
    assert_eq!(plan(&desired, &seen(&desired), &entries(&desired)).steps, []);
}

#[test]
fn changed_rules_are_reloaded_and_a_changed_unit_restarts() {
    let (old, new) = (wanted("1", false), wanted("2", false));
    let change = plan(&new, &seen(&old), &entries(&old));
    is_guarded(&change);
    Order::new(&change).in_order("b", &[ARM, &format!("update {RULES}"), &format!("reload {FIREWALL_UNIT}")]);
    let mut observed = seen(&old);
    observed.resources.remove(&ResourceId(format!("file {FIREWALL_UNIT_FILE}")));
    let restart = plan(&new, &observed, &entries(&old));
    Order::new(&restart).in_order("b", &[&format!("create {FIREWALL_UNIT_FILE}"), &format!("restart {FIREWALL_UNIT}")]);
}

#[test]
fn what_is_removed_ends_before_its_files_go() {
    let old = wanted("1", true);
    let removal = plan(&HostDesired::default(), &seen(&old), &entries(&old));
    is_guarded(&removal);
    Order::new(&removal).in_order("a", &[ARM, &format!("stop {FIREWALL_UNIT}"), &format!("remove {RULES}"), "remove /etc/barque"]);
    assert!(!removal.steps.iter().any(|step| step.title.contains("nftables")), "others may use the package by now");
    let gone = HostObserved::default();
    assert_eq!(plan(&HostDesired::default(), &gone, &entries(&old)).steps, []);
}

#[test]
fn up_leaves_it_alone() {
    let world = World::new(SEVEN, None);
    let rules = wanted("1", false);
    let mut observed = world.applied();
    let ledger: BTreeMap<HostName, Vec<LedgerEntry>> = observed.keys().map(|host| (host.clone(), entries(&rules))).collect();
    for seen_there in observed.values_mut() {
        // Somebody has edited the rules, even.
        seen_there.resources.extend(seen(&wanted("edited", false)).resources);
    }
    let facts = world.facts();
    let inputs = world.inputs(&observed, &ledger, &facts);
    assert_eq!(build(&inputs).changes(), 0);
    assert_eq!(held(&inputs), []);
}

#[test]
fn a_rollback_brings_the_former_rules_back_before_the_unit_takes_them_up() {
    let world = World::new(SEVEN, None);
    let (old, new) = (wanted("1", false), wanted("2", false));
    let items = new.resources.iter().zip(&old.resources).filter(|(new, old)| new.resource != old.resource);
    let items = items.map(|(new, old)| item(&new.resource, as_prior(&old.resource))).collect();
    let case = Case::new(&world, BTreeMap::from([(named("n1"), items)]));
    let plan = case.plan();
    let order = Order::new(&plan);
    let find = |name: &str| plan.steps.iter().position(|step| restored(step).is_some_and(|id| id == format!("n1 {name}"))).unwrap();
    assert!(order.waits(find(&format!("unit {FIREWALL_UNIT}")), find(&format!("file {RULES}"))));
    assert!(matches!(&plan.steps[find(&format!("file {RULES}"))].action, Action::Restore { .. }));
}
