//! Plans on disk.

use std::collections::BTreeMap;

use barque_model::{Digest, ObjectDifference, Owner, Taint, TaintEffect};
use barque_plan::{
    Action, ClusterFacts, Moved, Observed, ResourceId, SAVED_FORMAT, SavedPlan, SavedPlanError, UnitState, build, moved, observation_digest,
};

use crate::world::{SEVEN, World, named, unit_state};

const FIXTURE: &[u8] = include_bytes!("../fixtures/saved-plan-1.json");

fn saved(world: &World, change: impl Fn(&mut Parts<'_>)) -> SavedPlan {
    let mut parts = Parts {
        world,
        observed: world.fresh(),
        facts: ClusterFacts::default(),
        text: SEVEN.into(),
        build: "b1".into(),
        overwrite_drift: false,
    };
    change(&mut parts);
    let ledger = BTreeMap::new();
    let mut inputs = world.inputs(&parts.observed, &ledger, &parts.facts);
    inputs.overwrite_drift = parts.overwrite_drift;
    SavedPlan::new(&parts.build, &world.cluster.name, &parts.text, &inputs, &[], build(&inputs))
}

struct Parts<'a> {
    world: &'a World,
    observed: BTreeMap<barque_model::HostName, barque_plan::HostObserved>,
    facts: ClusterFacts,
    text: String,
    build: String,
    overwrite_drift: bool,
}

fn as_applied(parts: &mut Parts<'_>) {
    parts.all_applied();
}

impl Parts<'_> {
    fn see(&mut self, host: &str, id: &str, observed: Observed) {
        self.observed.get_mut(&named(host)).unwrap().resources.insert(ResourceId(id.into()), observed);
    }

    fn all_applied(&mut self) {
        self.observed = self.world.applied();
        self.facts = self.world.facts();
    }
}

#[test]
fn same_inputs_same_bytes_and_back() {
    let world = World::new(SEVEN, None);
    let one = saved(&world, |_| ()).to_bytes();
    assert_eq!(one, saved(&world, |_| ()).to_bytes());
    let read = SavedPlan::read(&one).unwrap();
    assert_eq!(read, saved(&world, |_| ()));
    assert_eq!(read.to_bytes(), one);
    assert!(moved(&read, &saved(&world, |_| ())).is_empty());
}

#[test]
fn nothing_secret_is_in_it() {
    let world = World::new(SEVEN, None);
    for text in [saved(&world, |_| ()).to_bytes(), saved(&world, as_applied).to_bytes()] {
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("PRIVATE KEY"));
        let mut seen = 0;
        for wanted in world.desired.values().flat_map(|wanted| &wanted.resources) {
            let (barque_plan::Resource::File(file), Some(content)) = (&wanted.resource, &wanted.content) else { continue };
            let content = std::str::from_utf8(content.expose()).unwrap();
            for line in content.lines().map(str::trim).filter(|line| file.sensitive && line.len() >= 32) {
                seen += 1;
                assert!(!text.contains(line), "a line of {} is in the plan", file.path);
            }
        }
        assert!(seen > 100, "only {seen} secret lines were looked for");
    }
}

#[test]
fn what_has_moved_is_named() {
    let world = World::new(SEVEN, None);
    let flags = "file /etc/kubernetes/kube-apiserver.env";
    let then = saved(&world, as_applied);
    let now = |change: &dyn Fn(&mut Parts<'_>)| {
        let now = saved(&world, |parts| {
            parts.all_applied();
            change(parts);
        });
        moved(&then, &now)
    };
    assert_eq!(now(&|_| ()), []);
    let edited = Observed::File { digest: Digest::of(b"edited"), mode: 0o600, owner: Owner::root() };
    let resource = Moved::Resource { host: named("m2"), resource: ResourceId(flags.into()) };
    assert_eq!(resource.to_string(), "file /etc/kubernetes/kube-apiserver.env on m2 is not as it was");
    assert_eq!(now(&|parts| parts.see("m2", flags, edited.clone())), [resource]);
    assert_eq!(now(&|parts| parts.build = "b2".into()), [Moved::Barque { saved: "b1".into(), now: "b2".into() }]);
    assert_eq!(now(&|parts| parts.text.push('#')), [Moved::Spec]);
    assert_eq!(now(&|parts| drop(parts.observed.remove(&named("n2")))).first(), Some(&Moved::HostWent(named("n2"))));
    let mut fewer = then.clone();
    fewer.hosts.remove(&named("n2"));
    assert_eq!(moved(&fewer, &then), [Moved::HostCame(named("n2"))]);
    let other_object = |parts: &mut Parts<'_>| {
        parts.facts.objects.insert("ClusterRole x".into(), ObjectDifference::Differs);
    };
    assert_eq!(now(&other_object), [Moved::ClusterFacts]);
    let blob_is_missing = |parts: &mut Parts<'_>| {
        parts.observed.get_mut(&named("m1")).unwrap().missing_blobs.insert(Digest::of(b"etcd"));
    };
    assert_eq!(now(&blob_is_missing), [], "no step needs that blob");
    let mut other = then.clone();
    other.plan.steps.pop();
    assert_eq!(moved(&then, &other), [Moved::Steps]);
    let mut other = then.clone();
    other.limits.push("m1".into());
    assert_eq!(moved(&then, &other), [Moved::Steps]);
}

#[test]
fn what_comes_and_goes_by_itself_does_not_count() {
    let world = World::new(SEVEN, None);
    let then = saved(&world, as_applied);
    let now = saved(&world, |parts| {
        parts.all_applied();
        let node = &mut parts.facts.nodes[0];
        node.ready = false;
        node.message = "PLEG is not healthy".into();
        node.labels.insert("somebody.example/else".into(), "x".into());
        node.taints.push(Taint { key: "node.kubernetes.io/not-ready".into(), value: String::new(), effect: TaintEffect::NoSchedule });
        parts.facts.nodes.reverse();
        let unit = parts.observed.get_mut(&named("m1")).unwrap().resources.get_mut(&ResourceId("unit etcd.service".into())).unwrap();
        if let Observed::Unit(state) = unit {
            state.restarts += 1;
            state.active_since += 5;
        }
    });
    assert_eq!(moved(&then, &now), []);
    let label = saved(&world, |parts| {
        parts.all_applied();
        parts.facts.nodes.iter_mut().for_each(|node| node.labels.clear());
    });
    assert_eq!(moved(&then, &label), [Moved::ClusterFacts]);
}

#[test]
fn observations_differ_in_what_matters_only() {
    let state = |state: UnitState| observation_digest(&Observed::Unit(state));
    let usual = state(unit_state(true));
    assert_eq!(usual, state(UnitState { restarts: 9, active_since: 9, ..unit_state(true) }));
    assert_ne!(usual, state(UnitState { enabled: false, ..unit_state(true) }));
    assert_ne!(usual, state(UnitState { fingerprint: None, ..unit_state(true) }));
    assert_ne!(observation_digest(&Observed::Absent), observation_digest(&Observed::User));
}

#[test]
fn a_file_that_is_no_saved_plan_is_refused_with_a_hint() {
    let read = |text: &str| SavedPlan::read(text.as_bytes()).unwrap_err();
    let words = |error: &SavedPlanError| format!("{error} | {}", error.hint());
    let error = read("apiVersion: barque.dev/v1");
    assert!(matches!(error, SavedPlanError::Json(_)));
    insta::assert_snapshot!(words(&error), @"the file is not JSON | name a file that `barque plan -o FILE` has written, whole and unchanged");
    let error = read(r#"{"format": 1, "steps": []}"#);
    assert!(matches!(error, SavedPlanError::Shape(_)));
    insta::assert_snapshot!(words(&error), @"the file is JSON, and not a saved plan | save a plan with `barque plan -o FILE`; the `plan.json` of a past run cannot be performed again");
    let error = read(r#"{"format": 2, "novelty": true}"#);
    assert!(matches!(error, SavedPlanError::Format { found: 2, known: SAVED_FORMAT }));
    insta::assert_snapshot!(words(&error), @"the saved plan has format 2, and this barque reads format 1 | save the plan again with this barque: `barque plan -o FILE`");
    let text = String::from_utf8(FIXTURE.to_vec()).unwrap();
    let end = text.len() / 2;
    assert!(matches!(read(&text[..end]), SavedPlanError::Json(_)), "cut in the middle");
    assert!(matches!(
        read(&text.replacen("\"plan\": {\n    \"format\": 1", "\"plan\": {\n    \"format\": 7", 1)),
        SavedPlanError::Format { found: 7, .. }
    ));
}

/// The fixture was written when format 1 was new, and is never written again: what was saved then must be read for as long as this barque
/// says that it reads format 1.
#[test]
fn format_1_is_read() {
    let plan = SavedPlan::read(FIXTURE).unwrap();
    assert_eq!((plan.format, plan.cluster.as_str(), plan.barque.as_str()), (1, "ha", "0.1.0+fixture"));
    assert_eq!(plan.hosts.len(), 2);
    assert_eq!(plan.limits, ["m1", "lb1"]);
    assert!(plan.overwrite_drift);
    let kinds: std::collections::BTreeSet<&str> = plan
        .plan
        .steps
        .iter()
        .map(|step| match step.action {
            Action::Transfer { .. } => "transfer",
            Action::Apply { .. } => "apply",
            Action::Restore { .. } => "restore",
            Action::Sweep { .. } => "sweep",
            Action::Snapshot => "snapshot",
            Action::Drain { .. } => "drain",
            Action::Return { .. } => "return",
            Action::Gate { .. } => "gate",
            Action::AddressGate { .. } => "addressGate",
            Action::Objects { .. } => "objects",
            Action::RemoveObjects { .. } => "removeObjects",
            Action::Node { .. } => "node",
            Action::UndoObjects { .. } => "undoObjects",
            // Of `firewall apply`, whose plans are not saved.
            Action::Arm { .. } | Action::Confirm { .. } => "dead-man switch",
            Action::ClusterGate { .. } => "clusterGate",
        })
        .collect();
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    // The form of packages came later; what has none means this one.
    let words = |text: &[u8]| -> Vec<String> {
        let lines = std::str::from_utf8(text).unwrap().lines().filter(|line| !line.contains(r#""form": "native""#));
        lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
    };
    assert_eq!(words(&plan.to_bytes()), words(FIXTURE), "format 1 is written in other words than before");
}
