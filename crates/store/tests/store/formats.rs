//! State that earlier versions wrote must stay readable.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use barque_event::{EventKind, RunEvent, RunOutcome};
use barque_model::RunId;
use barque_store::{Identity, LockError, LockOwner, OnStaleLock, SealingKey, StateDirectory, run_id};

use crate::{now, vault};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

/// Copies with the modes that state has; version control keeps none.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

#[test]
fn format_1_is_read() {
    let directory = tempfile::tempdir().unwrap();
    copy(&fixture(), directory.path());
    let identity = Identity::load(&directory.path().join("identity.txt")).unwrap();
    let state = StateDirectory::open(&directory.path().join("state")).unwrap();
    assert_eq!(state.load_vault(&SealingKey::Identity(identity)).unwrap(), Some(vault()));
    let runs = state.runs().list().unwrap();
    assert_eq!(runs.iter().map(RunId::as_str).collect::<Vec<_>>(), ["20261125T020304Z-1a2b"]);
    let summary = state.runs().summary(&runs[0]).unwrap();
    assert_eq!((summary.verb.as_deref(), summary.outcome), (Some("up"), Some(RunOutcome::Failed)));
    assert!(state.runs().read(&runs[0], "receipt.json").unwrap().is_some());
    let owner = LockOwner::current("ann", "up", now()).unwrap();
    assert!(matches!(state.lock(&owner, OnStaleLock::Refuse), Err(LockError::Stale { owner: Some(owner), .. }) if owner.user == "bob"));
}

#[test]
#[ignore = "writes the fixture of the present format"]
fn write_fixture() {
    let root = fixture();
    std::fs::create_dir_all(&root).unwrap();
    let (identity, _) = Identity::load_or_create(&root.join("identity.txt"), now()).unwrap();
    let state = StateDirectory::open_or_create(&root.join("state")).unwrap();
    state.save_vault(&vault(), &SealingKey::Identity(identity)).unwrap();
    let run = run_id(now(), 0x1a2b).unwrap();
    let mut directory = state.runs().create(&run).unwrap();
    directory.write_spec(b"apiVersion: barque/v1\nkind: Cluster\n").unwrap();
    let kinds = [
        EventKind::RunStarted { run: run.clone(), cluster: "demo".parse().unwrap(), verb: "up".to_owned(), hosts: Vec::new() },
        EventKind::RunFinished { outcome: RunOutcome::Failed, changed: 0, unchanged: 0, failed: 1, millis: 5 },
    ];
    for (kind, seq) in kinds.into_iter().zip(1..) {
        directory.append(&RunEvent { seq, at: now(), host: None, step: None, kind }).unwrap();
    }
    directory.finish(b"{}\n").unwrap();
    let owner = LockOwner {
        pid: 4321,
        start_ticks: 99,
        machine: "laptop".to_owned(),
        boot_id: "8f9d7a42-0000-4000-8000-000000000000".to_owned(),
        user: "bob".to_owned(),
        verb: "up".to_owned(),
        since: now(),
    };
    std::fs::write(state.path().join("lock"), serde_json::to_vec(&owner).unwrap()).unwrap();
}
