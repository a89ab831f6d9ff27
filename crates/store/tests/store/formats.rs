//! State that earlier versions wrote must stay readable.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use barque_event::{EventKind, RunOutcome};
use barque_model::RunId;
use barque_store::{Identity, LockError, LockOwner, OnStaleLock, SealingKey, StateDirectory};

use crate::{now, vault};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
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
    copy(&fixture("format-1"), directory.path());
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
fn a_run_of_the_first_version_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::open_or_create(directory.path()).unwrap();
    let run: RunId = "20261125T050224Z-cdf6".parse().unwrap();
    copy(&fixture("run-1"), &state.runs().path(&run));
    let summary = state.runs().summary(&run).unwrap();
    assert_eq!((summary.verb.as_deref(), summary.operator), (Some("up"), None));
    assert_eq!((summary.outcome, summary.changed), (Some(RunOutcome::Failed), 478));
    let events = state.runs().events(&run).unwrap().events;
    assert_eq!((events.len(), events.last().map(|event| event.seq)), (58, Some(58)));
    assert_eq!(state.runs().follow(&run).unwrap().next_events().unwrap(), events);
    let planned = events.iter().find_map(|event| {
        if let EventKind::Planned { stages, hosts, .. } = &event.kind { Some((stages.len(), hosts.len())) } else { None }
    });
    assert_eq!(planned, Some((7, 0)));
    let failed = events.iter().find_map(|event| if let EventKind::StepFailed { failure } = &event.kind { Some(failure) } else { None });
    assert!(failed.is_some_and(|failure| !failure.retryable && failure.exit_status == Some(1)));
    let receipt: serde_json::Value = serde_json::from_slice(&state.runs().read(&run, "receipt.json").unwrap().unwrap()).unwrap();
    assert_eq!((&receipt["changed"], &receipt["pending"]), (&478.into(), &serde_json::Value::Null));
}
