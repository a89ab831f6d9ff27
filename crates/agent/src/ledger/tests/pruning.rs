//! What is forgotten, and what must not be.

use barque_model::Digest;
use barque_plan::{Binary, Blob};

use super::*;
use crate::ledger::prune::{Needed, needed, split};

fn kept(history: &History, keep: usize) -> Vec<String> {
    split(history, keep).1.journals.iter().map(|(run, _)| run.as_str()[11..13].to_owned()).collect()
}

#[test]
fn the_last_runs_that_changed_something_stay() {
    let journals = vec![
        (1, changed(1, "a", None, 1, DONE)),
        (2, changed(1, "a", Some(1), 2, DONE)),
        (3, vec![Record::End { format: 1 }]),
        (4, changed(1, "a", Some(2), 3, DONE)),
        (5, Vec::new()),
    ];
    let history = history(journals);
    assert_eq!(kept(&history, 3).len(), 5);
    assert_eq!(kept(&history, 2), ["02", "03", "04", "05"]);
    assert_eq!(kept(&history, 1), ["04", "05"]);
    assert_eq!(kept(&history, 0), ["04", "05"], "the last one always stays");
}

#[test]
fn an_open_change_stays() {
    let journals = vec![
        (1, changed(1, "a", None, 1, DONE)),
        (2, changed(1, "a", Some(1), 2, None)),
        (3, changed(1, "a", Some(1), 2, DONE)),
        (4, changed(1, "b", None, 2, DONE)),
    ];
    assert_eq!(kept(&history(journals), 1), ["02", "03", "04"]);
}

#[test]
fn what_a_kept_rollback_went_back_to_stays() {
    let journals = vec![
        (1, changed(1, "a", None, 1, DONE)),
        (2, changed(1, "a", Some(1), 2, DONE)),
        (3, changed(1, "a", Some(2), 3, DONE)),
        (4, returned(1, "a", Some(3), Some(1), 2, DONE)),
    ];
    assert_eq!(kept(&history(journals), 1), ["02", "03", "04"]);
}

#[test]
fn what_kept_runs_and_the_ledger_name_is_needed() {
    let blob = |content: &[u8]| Blob { digest: Digest::of(content), size: content.len() as u64 };
    let program = |content: &[u8]| Resource::Binary(Binary { path: "/usr/local/bin/x".into(), version: "1".into(), blob: blob(content) });
    let link = |content: &[u8]| Prior::Link { target: format!("/var/lib/barque/store/{}", blob(content).digest) };
    let journals = vec![
        (1, vec![intent(1, &program(b"1"), &Prior::Absent), outcome(1, Ending::Changed)]),
        (2, [vec![intent(1, &program(b"2"), &link(b"1")), outcome(1, Ending::Changed)], changed(2, "a", Some(5), 6, DONE)].concat()),
        (3, [vec![intent(1, &program(b"3"), &link(b"2")), outcome(1, Ending::Changed)], changed(2, "a", Some(6), 7, DONE)].concat()),
    ];
    let digests = |contents: &[&[u8]]| contents.iter().map(|content| Digest::of(content)).collect();
    let (_, rest) = split(&history(journals), 1);
    assert_eq!(needed(&rest), Needed { prior: digests(&[&[5], &[6]]), blobs: digests(&[b"2", b"3"]) });
}
