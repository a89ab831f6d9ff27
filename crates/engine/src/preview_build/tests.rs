#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use barque_model::{Owner, TaintEffect};

use super::*;
use crate::testing::{apply, binary, blob, file, gate, plan, restart, unit};

const RUN: &str = "20261125T020304Z-1a2b";

/// What is known of one cluster, filled by each test.
struct World {
    cluster: Cluster,
    plan: Plan,
    wanted: BTreeMap<HostName, Vec<Resource>>,
    contents: HashMap<(HostName, ResourceId), SecretBytes>,
    observed: BTreeMap<HostName, HostObserved>,
    ledger: BTreeMap<HostName, Vec<LedgerEntry>>,
    held: Vec<Held>,
    texts: Texts,
    nodes: Vec<NodeState>,
}

impl World {
    fn new(plan: Plan) -> Self {
        Self {
            cluster: crate::testing::cluster(),
            plan,
            wanted: BTreeMap::new(),
            contents: HashMap::new(),
            observed: BTreeMap::new(),
            ledger: BTreeMap::new(),
            held: Vec::new(),
            texts: Texts::default(),
            nodes: Vec::new(),
        }
    }

    fn m1() -> HostName {
        "m1".parse().unwrap()
    }

    /// A file on m1: as it is and as it must be.
    fn with_file(mut self, path: &str, there: Option<&str>, wanted: &str) -> Self {
        let resource = file(path, wanted, false);
        self.contents.insert((Self::m1(), resource.id()), SecretBytes::new(wanted.as_bytes()));
        if let Some(there) = there {
            let seen = Observed::File { digest: Digest::of(there.as_bytes()), mode: 0o600, owner: Owner::root() };
            self.see(resource.id(), seen);
            self.texts.files.insert((Self::m1(), path.to_owned()), SecretBytes::new(there.as_bytes()));
        }
        self.wanted.entry(Self::m1()).or_default().push(resource);
        self
    }

    fn see(&mut self, id: ResourceId, seen: Observed) {
        self.observed.entry(Self::m1()).or_default().resources.insert(id, seen);
    }

    fn applied(&mut self, resource: Resource) {
        let entry = LedgerEntry { resource, run: RUN.parse().unwrap(), original: Prior::Absent, uncertain: false };
        self.ledger.entry(Self::m1()).or_default().push(entry);
    }

    fn material<'a>(&'a self, to_send: &'a BTreeMap<HostName, u64>) -> Material<'a> {
        Material {
            cluster: &self.cluster,
            plan: &self.plan,
            wanted: &self.wanted,
            contents: &self.contents,
            observed: &self.observed,
            ledger: &self.ledger,
            held: &self.held,
            to_send,
            nodes: &self.nodes,
        }
    }

    fn hosts(&self) -> Vec<HostPreview> {
        self.material(&BTreeMap::new()).hosts(&self.texts)
    }
}

fn update(resource: Resource, reasons: &[&str]) -> crate::testing::Draft {
    apply("m1", resource, Change::Update, reasons, &[])
}

#[test]
fn a_changed_file_is_a_diff_and_a_new_one_its_content() {
    let world = World::new(plan(vec![
        update(file("/etc/a", "A=2\n", false), &["content", "mode 0644 -> 0600"]),
        apply("m1", file("/etc/b", "B=1\nB=2\n", false), Change::Create, &["absent"], &[]),
        update(file("/etc/c", "C\n", false), &["mode 0644 -> 0600"]),
    ]))
    .with_file("/etc/a", Some("A=1\n"), "A=2\n")
    .with_file("/etc/b", None, "B=1\nB=2\n")
    .with_file("/etc/c", Some("C\n"), "C\n");
    insta::assert_json_snapshot!(world.hosts()[0].files, @r#"
    [
      {
        "path": "/etc/a",
        "isNew": false,
        "attributes": [
          "mode 0644 -> 0600"
        ],
        "content": {
          "type": "text",
          "diff": "--- on the host\n+++ as wanted\n@@ -1 +1 @@\n-A=1\n+A=2\n"
        }
      },
      {
        "path": "/etc/b",
        "isNew": true,
        "attributes": [],
        "content": {
          "type": "new",
          "lines": 2,
          "text": "B=1\nB=2\n"
        }
      },
      {
        "path": "/etc/c",
        "isNew": false,
        "attributes": [
          "mode 0644 -> 0600"
        ],
        "content": null
      }
    ]
    "#);
    let wanted = world.material(&BTreeMap::new()).texts_wanted();
    assert_eq!(wanted.files, BTreeSet::from([(World::m1(), "/etc/a".to_owned())]));
}

#[test]
fn a_secret_is_never_read_nor_shown() {
    let secret = file("/etc/key", "hunter2", true);
    let mut world = World::new(plan(vec![update(secret.clone(), &["content"])])).with_file("/etc/key", Some("hunter1"), "hunter2");
    world.held = vec![Held { host: World::m1(), resource: secret.id(), run: RUN.parse().unwrap() }];
    world.wanted.insert(World::m1(), vec![secret.clone()]);
    let hosts = world.hosts();
    assert_eq!(hosts[0].files[0].content, Some(ContentChange::Secret));
    let to_send = BTreeMap::new();
    assert_eq!(world.material(&to_send).held(&world.texts)[0].content, Some(ContentChange::Secret));
    assert_eq!(world.material(&to_send).texts_wanted(), TextsWanted::default());
    assert!(!serde_json::to_string(&hosts).unwrap().contains("hunter"));
}

#[test]
fn what_was_a_secret_stays_one() {
    let mut world = World::new(plan(vec![update(file("/etc/a", "new", false), &["content"])])).with_file("/etc/a", Some("hunter1"), "new");
    world.applied(file("/etc/a", "hunter1", true));
    assert_eq!(world.hosts()[0].files[0].content, Some(ContentChange::Secret));
    assert_eq!(world.material(&BTreeMap::new()).texts_wanted(), TextsWanted::default());
}

#[test]
fn a_program_tells_its_former_version_or_its_digest() {
    let drafts = ["etcd", "kubelet", "runc"].map(|name| update(binary(&format!("/usr/local/bin/{name}"), "2"), &["content"]));
    let mut world = World::new(plan(drafts.to_vec()));
    world.applied(binary("/usr/local/bin/etcd", "1"));
    let target = |text: &str| Observed::Binary { target: Some(blob(text).digest), intact: true };
    world.see(ResourceId("binary /usr/local/bin/etcd".into()), target("/usr/local/bin/etcd 1"));
    world.see(ResourceId("binary /usr/local/bin/kubelet".into()), target("theirs"));
    let from: Vec<Option<String>> = world.hosts()[0].binaries.iter().map(|binary| binary.from.clone()).collect();
    assert_eq!(from, [Some("1".to_owned()), Some(blob("theirs").digest.short()), None]);
}

#[test]
fn a_held_edit_shows_what_somebody_did() {
    let mut world = World::new(plan(Vec::new())).with_file("/etc/a", Some("A=1\nB=theirs\n"), "A=1\n");
    world.held = vec![Held { host: World::m1(), resource: ResourceId("file /etc/a".into()), run: RUN.parse().unwrap() }];
    let held = world.material(&BTreeMap::new()).held(&world.texts);
    let Some(ContentChange::Text { diff }) = &held[0].content else { panic!("a diff") };
    insta::assert_snapshot!(diff, @r"
    --- as barque would write it
    +++ on the host
    @@ -1 +1,2 @@
     A=1
    +B=theirs
    ");
    assert!(held[0].reasons.is_empty());
    assert!(world.hosts().is_empty());
}

#[test]
fn what_is_not_wanted_goes_or_is_put_back() {
    let restore = |resource: Resource, prior: Prior| {
        let before = RUN.parse().unwrap();
        (Some("m1"), "remove".to_owned(), Action::Restore { resource, prior, before }, Vec::new())
    };
    let former = Prior::File { digest: Digest::of(b"old\n"), mode: 0o644, owner: Owner::root() };
    let mut world = World::new(plan(vec![
        restore(file("/etc/a", "A\n", false), Prior::Absent),
        restore(file("/etc/b", "B\n", false), former),
        restore(unit("etcd.service"), Prior::Absent),
    ]));
    world.texts.files.insert((World::m1(), "/etc/b".into()), SecretBytes::new(*b"B\n"));
    world.texts.former.insert((World::m1(), Digest::of(b"old\n")), SecretBytes::new(*b"old\n"));
    let host = world.hosts().remove(0);
    insta::assert_json_snapshot!(host.removals, @r#"
    [
      {
        "resource": "file /etc/a",
        "putsBack": false,
        "content": null
      },
      {
        "resource": "file /etc/b",
        "putsBack": true,
        "content": {
          "type": "text",
          "diff": "--- on the host\n+++ as before barque\n@@ -1 +1 @@\n-B\n+old\n"
        }
      }
    ]
    "#);
    assert_eq!(host.units.len(), 1);
}

#[test]
fn hosts_come_in_file_order_and_only_with_changes() {
    let world = World::new(plan(vec![restart("n1", "kubelet.service", &[]), gate("m2", &[]), restart("m1", "etcd.service", &[])]));
    let names: Vec<String> = world.hosts().iter().map(|host| host.host.to_string()).collect();
    assert_eq!(names, ["m1", "n1"]);
}

#[test]
fn nodes_tell_former_labels() {
    let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    let taints = vec![Taint { key: "k".into(), value: String::new(), effect: TaintEffect::NoSchedule }];
    let mut world =
        World::new(plan(vec![(None, "label n1".into(), Action::Node { node: "n1".parse().unwrap(), labels, taints }, Vec::new())]));
    world.nodes = vec![NodeState {
        name: "n1".into(),
        ready: true,
        message: String::new(),
        version: String::new(),
        addresses: Vec::new(),
        labels: BTreeMap::from([("b".to_owned(), "0".to_owned())]),
        taints: Vec::new(),
    }];
    let nodes = world.material(&BTreeMap::new()).nodes();
    assert_eq!(nodes[0].labels, ["a=1", "b=2 (was 0)"]);
    assert_eq!(nodes[0].taints, ["k:NoSchedule"]);
}
