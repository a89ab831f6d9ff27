//! The laws of taking back, for every resource kind that needs no program: after an apply and its undo everything is as before, byte for
//! byte, and after the undo's undo as after the apply; killed at any moment and done again, the end is the same.

use std::collections::BTreeMap;

use super::laws::{Case, cases, prepared, request, session, snapshot};
use super::{Root, run};
use crate::RestoreRequest;
use crate::apply::{Death, apply};
use crate::ledger::{self, Ledger};
use crate::restore::restore;
use crate::session::Session;

/// `None`: it lives.
const DEATHS: [Option<Death>; 3] = [None, Some(Death::AfterIntent), Some(Death::AfterChange)];

async fn folded(session: &Session) -> Ledger {
    session.flush_journals().await.unwrap();
    Ledger::fold(&ledger::read(&session.context).unwrap())
}

/// Takes back everything since `before`; dies at the first resource, if it has to.
async fn roll_back(session: &Session, number: u8, before: u8, death: Option<Death>) {
    for item in folded(session).await.undo(&run(before)).items {
        let request = RestoreRequest {
            run: run(number),
            step: format!("restore {}", item.resource.id()),
            resource: item.resource,
            prior: item.prior,
            before: run(before),
        };
        let restored = restore(session, request, death).await;
        assert_eq!(restored.is_err(), death.is_some(), "{restored:?}");
    }
}

/// Without the folders that leading to a file made: nobody asked for them by name.
fn files(root: &Root, before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut there = snapshot(root.path());
    let folders: Vec<String> =
        there.keys().filter(|name| root.path().join(name).is_dir() && !before.contains_key(*name)).cloned().collect();
    // From the innermost: one that holds something stays.
    for folder in folders.iter().rev() {
        if !there.keys().any(|name| name.starts_with(&format!("{folder}/"))) {
            there.remove(folder);
        }
    }
    there
}

fn told(case: &Case, applying: Option<Death>, restoring: Option<Death>) -> String {
    format!("{}, apply {applying:?}, restore {restoring:?}", case.name)
}

/// Begins anew, as after a crash.
async fn begun(root: &Root, old: Session, death: Option<Death>) -> Session {
    if death.is_none() {
        old.finish().await.unwrap();
    } else {
        // What an agent has handed to the system when it dies reaches the file.
        old.flush_journals().await.unwrap();
        drop(old);
    }
    session(root.context())
}

#[tokio::test]
async fn taken_back_everything_is_as_before_whenever_it_died() {
    for case in cases() {
        for applying in DEATHS {
            for restoring in DEATHS {
                let root = prepared(&case);
                let before = snapshot(root.path());
                let told = told(&case, applying, restoring);
                let session = session(root.context());
                assert_eq!(apply(&session, request(&case, 1), applying).await.is_err(), applying.is_some());
                let session = begun(&root, session, applying).await;
                roll_back(&session, 2, 1, restoring).await;
                let session = begun(&root, session, restoring).await;
                roll_back(&session, 3, 1, None).await;
                assert_eq!(files(&root, &before), before, "{told}");
                let ledger = folded(&session).await;
                assert_eq!((ledger.entries(), ledger.undo(&run(1)).items), (Vec::new(), Vec::new()), "{told}");
                assert!(ledger.runs()[0].taken_back, "{told}: {:?}", ledger.runs());
                let session = begun(&root, session, None).await;
                assert_eq!(session.open_intents(), [], "{told}");
                roll_back(&session, 4, 1, None).await;
                session.finish().await.unwrap();
                let fourth = crate::read_journal(&root.context().state("journal"), &run(4)).unwrap();
                assert_eq!(fourth, [], "{told}: what is done is not done again");
            }
        }
    }
}

#[tokio::test]
async fn taken_back_twice_everything_is_as_after_the_change_whenever_it_died() {
    for case in cases() {
        for restoring in DEATHS {
            let root = prepared(&case);
            let told = told(&case, None, restoring);
            let session = session(root.context());
            apply(&session, request(&case, 1), None).await.unwrap();
            let (after, entries) = (snapshot(root.path()), folded(&session).await.entries());
            roll_back(&session, 2, 1, None).await;
            roll_back(&session, 3, 2, restoring).await;
            let session = begun(&root, session, restoring).await;
            roll_back(&session, 4, 2, None).await;
            assert_eq!(snapshot(root.path()), after, "{told}");
            assert_eq!(folded(&session).await.entries(), entries, "{told}");
        }
    }
}

#[tokio::test]
async fn an_apply_after_a_rollback_that_died_ends_as_an_undisturbed_one() {
    for case in cases() {
        let undisturbed = prepared(&case);
        apply(&session(undisturbed.context()), request(&case, 1), None).await.unwrap();
        for restoring in DEATHS {
            let root = prepared(&case);
            let told = told(&case, None, restoring);
            let session = session(root.context());
            apply(&session, request(&case, 1), None).await.unwrap();
            roll_back(&session, 2, 1, restoring).await;
            let session = begun(&root, session, restoring).await;
            apply(&session, request(&case, 3), None).await.unwrap();
            assert_eq!(snapshot(root.path()), snapshot(undisturbed.path()), "{told}");
            let entries = folded(&session).await.entries();
            assert!(entries.len() == 1 && entries[0].resource == case.resource, "{told}: {entries:?}");
            let session = begun(&root, session, None).await;
            assert_eq!(session.open_intents(), [], "{told}");
        }
    }
}
