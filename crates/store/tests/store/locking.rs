//! The lock, held, freed and left behind.

use std::path::PathBuf;

use barque_store::{LockError, LockOwner, OnStaleLock, StateDirectory};
use jiff::SignedDuration;

use crate::now;

struct Fixture {
    _directory: tempfile::TempDir,
    state: StateDirectory,
    me: LockOwner,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(directory.path()).unwrap();
        Self { _directory: directory, state, me: LockOwner::current("ann", "up", now()).unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.state.path().join("lock")
    }

    /// Leaves the lock file as `owner` would when it dies.
    fn leave(&self, owner: &LockOwner) {
        std::fs::write(self.file(), serde_json::to_vec(owner).unwrap()).unwrap();
    }

    fn refused(&self) -> LockError {
        self.state.lock(&self.me, OnStaleLock::Refuse).unwrap_err()
    }
}

#[test]
fn one_holds_it_at_a_time() {
    let fixture = Fixture::new();
    let lock = fixture.state.lock(&fixture.me, OnStaleLock::Refuse).unwrap();
    for on_stale in [OnStaleLock::Refuse, OnStaleLock::Break] {
        let error = fixture.state.lock(&fixture.me, on_stale).unwrap_err();
        assert!(matches!(&error, LockError::Held { owner: Some(owner) } if **owner == fixture.me), "{error}");
        let me = &fixture.me;
        let expected =
            format!("the state directory is in use: `up` by ann (process {} on {}, since 2026-11-25T02:03:04Z)", me.pid, me.machine);
        assert_eq!(error.to_string(), expected);
    }
    drop(lock);
    assert_eq!(std::fs::read(fixture.file()).unwrap(), b"");
    drop(fixture.state.lock(&fixture.me, OnStaleLock::Refuse).unwrap());
}

#[test]
fn a_dead_process_leaves_a_stale_lock_that_a_flag_breaks() {
    let fixture = Fixture::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let since = now() - SignedDuration::from_mins(90);
    fixture.leave(&LockOwner { pid, start_ticks: 1, since, user: "bob".to_owned(), ..fixture.me.clone() });
    let error = fixture.refused();
    let expected = format!(
        "the state directory is locked by a run that ended without finishing, 1 h ago: `up` by bob (process {pid} on {}, since \
         2026-11-25T00:33:04Z); the process is gone",
        fixture.me.machine
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("--break-lock"));
    assert!(matches!(fixture.refused(), LockError::Stale { age, .. } if age == SignedDuration::from_mins(90)), "refusing changes nothing");
    let lock = fixture.state.lock(&fixture.me, OnStaleLock::Break).unwrap();
    assert!(matches!(fixture.refused(), LockError::Held { owner: Some(owner) } if *owner == fixture.me));
    drop(lock);
}

#[test]
fn a_reused_process_number_does_not_look_alive() {
    let fixture = Fixture::new();
    // This very process, but as if another had had its number before.
    fixture.leave(&LockOwner { start_ticks: fixture.me.start_ticks - 1, ..fixture.me.clone() });
    assert!(fixture.refused().to_string().ends_with("the process is gone"));
}

#[test]
fn a_reboot_makes_it_stale_and_another_machine_makes_it_doubtful() {
    let fixture = Fixture::new();
    fixture.leave(&LockOwner { boot_id: "another".to_owned(), ..fixture.me.clone() });
    assert!(fixture.refused().to_string().ends_with("the machine has been restarted since"));
    fixture.leave(&LockOwner { machine: "laptop2".to_owned(), ..fixture.me.clone() });
    assert!(fixture.refused().to_string().ends_with("whether it still runs there is unknown"));
    std::fs::write(fixture.file(), "{").unwrap();
    assert!(fixture.refused().to_string().ends_with("an unknown process; the lock file is unreadable"));
    drop(fixture.state.lock(&fixture.me, OnStaleLock::Break).unwrap());
}

#[test]
fn a_live_owner_is_respected_even_without_the_kernels_lock() {
    let fixture = Fixture::new();
    fixture.leave(&fixture.me);
    assert!(matches!(fixture.state.lock(&fixture.me, OnStaleLock::Break), Err(LockError::Held { .. })));
}

#[test]
fn whoever_holds_it_is_seen_without_taking_it() {
    let fixture = Fixture::new();
    assert_eq!(fixture.state.holder().unwrap(), None);
    let lock = fixture.state.lock(&fixture.me, OnStaleLock::Refuse).unwrap();
    assert_eq!(fixture.state.holder().unwrap(), Some((fixture.me.clone(), true)));
    drop(lock);
    assert_eq!(fixture.state.holder().unwrap(), None);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = LockOwner { pid: child.id(), ..fixture.me.clone() };
    child.wait().unwrap();
    fixture.leave(&dead);
    assert_eq!(fixture.state.holder().unwrap(), Some((dead.clone(), false)));
    let elsewhere = LockOwner { machine: "elsewhere".to_owned(), ..dead };
    fixture.leave(&elsewhere);
    assert_eq!(fixture.state.holder().unwrap(), Some((elsewhere, true)));
}
