//! A write that fails half-way leaves the old content and no debris.
//!
//! Alone in its file, that is in its process: the limit on file sizes, which stands in for a full disk, holds for a whole process.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use barque_event::{EventKind, RunEvent};
use barque_pki::Vault;
use barque_store::{Identity, SealingKey, StateDirectory, run_id};
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// signal(7): the same number on x86 and ARM.
const SIGXFSZ: i32 = 25;

/// Runs `action` while no file can grow beyond `bytes`.
fn limited<T>(bytes: u64, action: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), ..before }).unwrap();
    let result = action();
    setrlimit(Resource::Fsize, before).unwrap();
    result
}

#[test]
fn nothing_is_half_written() {
    // Without a handler the signal of the limit would end the process instead of failing the write.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::open_or_create(directory.path()).unwrap();
    let vault = Vault::from_json(include_bytes!("../../pki/tests/fixtures/vault-format-1.json")).unwrap();
    let key = SealingKey::Identity(Identity::generate());
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(directory.path().join("pki")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };

    limited(4096, || state.save_vault(&vault, &key)).unwrap_err();
    assert!(names().is_empty(), "{:?}", names());
    state.save_vault(&vault, &key).unwrap();
    let sealed = std::fs::read(state.vault_file()).unwrap();
    let complete = names();
    limited(4096, || state.save_vault(&vault, &key)).unwrap_err();
    assert_eq!(std::fs::read(state.vault_file()).unwrap(), sealed);
    assert_eq!(names(), complete);

    let at: Timestamp = "2026-11-25T02:03:04Z".parse().unwrap();
    let run = run_id(at, 1).unwrap();
    let mut log = state.runs().create(&run).unwrap();
    let event = |seq: u64, length: usize| RunEvent { seq, at, host: None, step: None, kind: EventKind::Note { text: "x".repeat(length) } };
    log.append(&event(1, 10)).unwrap();
    limited(4096, || log.append(&event(2, 8000))).unwrap_err();
    log.append(&event(2, 20)).unwrap();
    let read = state.runs().events(&run).unwrap();
    assert_eq!((read.events, read.cut_off), (vec![event(1, 10), event(2, 20)], false), "no half line between the two");
}
