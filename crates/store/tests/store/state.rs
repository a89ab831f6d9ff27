//! The directory as a whole, and the vault in it.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt as _;

use barque_store::sealed::OpenError;
use barque_store::{Identity, LockOwner, OnStaleLock, SealingKey, StateDirectory, StateError, VaultFileError, run_id};

use crate::{mode, now, tree, vault};

#[test]
fn everything_is_private_from_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a/state");
    let state = StateDirectory::open_or_create(&root).unwrap();
    let key = SealingKey::Identity(Identity::generate());
    let _lock = state.lock(&LockOwner::current("ann", "up", now()).unwrap(), OnStaleLock::Refuse).unwrap();
    state.save_vault(&vault(), &key).unwrap();
    let run = state.runs().create(&run_id(now(), 0x1a2b).unwrap()).unwrap();
    run.write_spec(b"kind: Cluster\n").unwrap();
    run.write_plan(b"{}").unwrap();
    run.finish(b"{}").unwrap();
    assert_eq!(mode(&root), 0o700);
    assert_eq!(
        tree(&root),
        [
            "600 format",
            "600 lock",
            "700 pki",
            "600 pki/ca.crt",
            "600 pki/etcd-ca.crt",
            "600 pki/front-proxy-ca.crt",
            "600 pki/sa.pub",
            "600 pki/vault.age",
            "700 runs",
            "700 runs/20261125T020304Z-1a2b",
            "600 runs/20261125T020304Z-1a2b/events.jsonl",
            "600 runs/20261125T020304Z-1a2b/plan.json",
            "600 runs/20261125T020304Z-1a2b/receipt.json",
            "600 runs/20261125T020304Z-1a2b/spec.yaml",
        ]
    );
    for entry in ["pki/ca.crt", "pki/sa.pub", "runs/20261125T020304Z-1a2b/spec.yaml", "format", "lock"] {
        assert!(!std::fs::read_to_string(root.join(entry)).unwrap().contains("PRIVATE"), "{entry}");
    }
}

#[test]
fn a_vault_comes_back_and_only_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::open_or_create(directory.path()).unwrap();
    let key = SealingKey::Identity(Identity::generate());
    assert_eq!(state.load_vault(&key).unwrap(), None);
    state.save_vault(&vault(), &key).unwrap();
    state.save_vault(&vault(), &key).unwrap();
    assert_eq!(state.load_vault(&key).unwrap(), Some(vault()));

    let other = SealingKey::Identity(Identity::generate());
    let error = state.load_vault(&other).unwrap_err();
    assert!(matches!(error, VaultFileError::Open { source: OpenError::WrongIdentity, .. }));
    assert_eq!(error.to_string(), format!("failed to open `{}`", state.vault_file().display()));
    assert_eq!(error.source().unwrap().to_string(), "it is sealed for another identity");

    let mut sealed = std::fs::read(state.vault_file()).unwrap();
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    std::fs::write(state.vault_file(), sealed).unwrap();
    assert!(matches!(state.load_vault(&key), Err(VaultFileError::Open { source: OpenError::Corrupted, .. })));
}

#[test]
fn only_a_private_state_directory_of_a_known_format_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("state");
    assert!(matches!(StateDirectory::open(&root), Err(StateError::Missing(_))));
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    // What a crash may leave does not make it foreign.
    std::fs::write(root.join(".barque-Xy12"), "").unwrap();
    assert!(matches!(StateDirectory::open(&root), Err(StateError::Missing(_))));
    StateDirectory::open_or_create(&root).unwrap();
    assert_eq!(mode(&root), 0o700);

    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o750)).unwrap();
    let error = StateDirectory::open_or_create(&root).unwrap_err();
    assert_eq!(error.to_string(), format!("state directory `{}` has mode 0750: others may enter it", root.display()));
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o700)).unwrap();

    for found in ["barque-state 2", "", "something else"] {
        std::fs::write(root.join("format"), format!("{found}\n")).unwrap();
        let error = StateDirectory::open_or_create(&root).unwrap_err();
        assert!(matches!(&error, StateError::Format { found: text, .. } if text == found), "{error}");
    }

    let foreign = directory.path().join("home");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("notes.txt"), "").unwrap();
    assert!(matches!(StateDirectory::open_or_create(&foreign), Err(StateError::Foreign(_))));
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1, "nothing was put there");
}
