#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use barque_event::Failure;
use barque_model::{Digest, KubeAccess, Owner, RunId, SecretBytes};
use barque_plan::{
    Archive, Binary, Blob, Change, ClusterGate, Directory, File, HostsLine, Image, KubeUndo, LedgerEntry, ObjectEntry, OnChange, Package,
    Prior, Resource, Sweep, Sysctl, UndoItem, Unit, UnitState, User,
};

use super::*;

fn blob() -> Blob {
    Blob { digest: Digest::of(b"x"), size: 1 }
}

fn every_resource() -> Vec<Resource> {
    let (path, owner, digest) = ("/x".to_owned(), Owner::of("etcd"), Digest::of(b"x"));
    vec![
        Resource::Directory(Directory { path: path.clone(), mode: 0o755, owner: owner.clone() }),
        Resource::File(File { path: path.clone(), digest, mode: 0o600, owner, sensitive: true }),
        Resource::Binary(Binary { path, version: "1".into(), blob: blob() }),
        Resource::Unit(Unit {
            name: "x.service".into(),
            fingerprint: digest,
            on_change: OnChange::Reload,
            start_timeout_seconds: 9,
            restart_limit: 4,
        }),
        Resource::User(User { name: "x".into(), home: "/x".into() }),
        Resource::Sysctl(Sysctl { key: "a.b".into(), value: "1".into(), required: true }),
        Resource::Package(Package {
            name: "x".into(),
            archives: vec![Archive { name: "x".into(), version: "1".into(), blob: blob() }],
            form: barque_plan::PackageForm::Native,
        }),
        Resource::Image(Image { reference: "x:1".into(), blob: blob() }),
        Resource::HostsLine(HostsLine { address: "10.0.0.1".into(), names: vec!["m1".into()] }),
    ]
}

fn every_prior() -> Vec<Prior> {
    let (digest, owner) = (Digest::of(b"x"), Owner::root());
    let state = UnitState {
        loaded: true,
        enabled: false,
        active: "active".into(),
        sub: "running".into(),
        fingerprint: Some(digest),
        restarts: 1,
        active_since: 2,
    };
    vec![
        Prior::Absent,
        Prior::File { digest, mode: 0o600, owner: owner.clone() },
        Prior::Link { target: "/x".into() },
        Prior::Directory { mode: 0o700, owner },
        Prior::Unit { state },
        Prior::User,
        Prior::Sysctl { value: "1".into() },
        Prior::Package { installed: vec![("x".into(), "1".into())] },
        Prior::Image { digest: Some(digest) },
        Prior::Other { what: "a pipe".into() },
    ]
}

fn round_trip(request: &Request) {
    let bytes = postcard::to_stdvec(request).unwrap();
    assert_eq!(&postcard::from_bytes::<Request>(&bytes).unwrap(), request);
}

#[test]
fn messages_survive_postcard() {
    let run: RunId = "20261125T020304Z-1a2b".parse().unwrap();
    round_trip(&Request::Observe(every_resource()));
    for resource in every_resource() {
        round_trip(&Request::Apply(Box::new(ApplyRequest {
            run: run.clone(),
            step: "s".into(),
            resource,
            content: Some(SecretBytes::new(*b"secret")),
            change: Some(Change::Create),
            stales: vec!["x.service".into()],
        })));
    }
    let access = KubeAccess { server: "https://x".into(), authority: "a".into(), certificate: "c".into(), key: SecretBytes::new(*b"k") };
    let gate = ClusterGate::NodesReady { nodes: vec!["m1".parse().unwrap()] };
    round_trip(&Request::Kube { access: access.clone(), call: KubeCall::Gate { gate, timeout: Duration::from_secs(3) } });
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let changes = vec![KubeUndo::Delete { object: "{}".into() }];
    for change in [
        KubeChange::Apply(vec!["{}".into()]),
        KubeChange::SetNode { name: "m1".into(), labels, taints: Vec::new() },
        KubeChange::Remove(vec!["{}".into()]),
        KubeChange::Undo { changes, before: run.clone() },
    ] {
        round_trip(&Request::KubeChange(Box::new(KubeChangeRequest {
            run: run.clone(),
            step: "s".into(),
            access: access.clone(),
            change,
        })));
    }
    let token = SecretBytes::new([7; 32]);
    let peers = vec![Peer { address: "[2001:db8::1]:9347".parse().unwrap(), pin: Digest::of(b"c") }];
    round_trip(&Request::Fetch(FetchRequest { blob: blob(), peers, token: token.clone() }));
    round_trip(&Request::Offer(OfferRequest {
        address: "10.0.0.1".parse().unwrap(),
        token,
        blobs: vec![blob().digest],
        limit: Some("3".parse().unwrap()),
    }));
    round_trip(&Request::Sweep { run: run.clone(), sweep: Sweep::Paths { paths: vec!["/x".into()] } });
    for prior in every_prior() {
        let resource = every_resource().remove(1);
        let restore = RestoreRequest { run: run.clone(), step: "s".into(), resource, prior, before: run.clone() };
        round_trip(&Request::Restore(Box::new(restore)));
    }
    let (resource, prior) = (every_resource().remove(3), every_prior().remove(4));
    let entry = LedgerEntry { resource: resource.clone(), run: run.clone(), original: prior.clone(), uncertain: true };
    let object = ObjectEntry { name: "A b".into(), object: Some("{}".into()), run: run.clone() };
    let items = vec![UndoItem { resource, prior, run }];
    let kube = vec![KubeUndo::Replace { object: "{}".into() }];
    for answer in [
        Answer::Ledger(vec![entry]),
        Answer::Objects(vec![object]),
        Answer::Kube(KubeAnswer::Live(vec![None, Some("{}".into())])),
        Answer::Undo(UndoAnswer { items, kube }),
        Answer::Fetched(Fetched { complete: false, failed: vec![(1, "late".into())] }),
    ] {
        let reply: Reply = Ok(answer);
        let bytes = postcard::to_stdvec(&reply).unwrap();
        assert_eq!(postcard::from_bytes::<Reply>(&bytes).unwrap(), reply);
    }
    let reply: Reply = Err(Failure { host: Some("m1".parse().unwrap()), ..Failure::new("no").with_hint("do") });
    let bytes = postcard::to_stdvec(&reply).unwrap();
    assert_eq!(postcard::from_bytes::<Reply>(&bytes).unwrap(), reply);
}

#[test]
fn secrets_do_not_show() {
    let request = ApplyRequest {
        run: "20261125T020304Z-1a2b".parse().unwrap(),
        step: "s".into(),
        resource: every_resource().remove(1),
        content: Some(SecretBytes::new(*b"hunter2")),
        change: Some(Change::Update),
        stales: vec!["x.service".into()],
    };
    assert!(!format!("{request:?}").contains("hunter2") && !format!("{request:?}").contains("104, 117"));
}
