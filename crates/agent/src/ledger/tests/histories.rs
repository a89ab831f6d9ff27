//! Small histories, told out.

use barque_plan::{LedgerEntry, UndoItem};

use super::*;

fn entry(name: &str, content: u8, number: usize, original: Option<u8>) -> LedgerEntry {
    LedgerEntry { resource: file(name, content), run: run(number), original: was(original), uncertain: false }
}

fn item(name: &str, content: u8, prior: Option<u8>, number: usize) -> UndoItem {
    UndoItem { resource: file(name, content), prior: was(prior), run: run(number) }
}

/// Number, resources changed, open changes, whether it was a rollback, whether it was taken back.
fn told(ledger: &Ledger) -> Vec<(String, u32, u32, bool, bool)> {
    let runs = ledger.runs().into_iter();
    runs.map(|known| (known.run.as_str()[11..13].to_owned(), known.changed, known.open, known.restores, known.taken_back)).collect()
}

fn row(number: &str, changed: u32, open: u32, restores: bool, taken_back: bool) -> (String, u32, u32, bool, bool) {
    (number.to_owned(), changed, open, restores, taken_back)
}

#[test]
fn nothing_comes_of_nothing() {
    let ledger = fold(vec![(1, vec![Record::End { format: 1 }])]);
    assert_eq!((ledger.entries(), ledger.undo_items(&run(0))), (Vec::new(), Vec::new()));
    assert_eq!(told(&ledger), [row("01", 0, 0, false, false)]);
}

#[test]
fn a_change_and_a_later_one() {
    let ledger = fold(vec![(1, changed(1, "a", Some(9), 1, DONE)), (2, changed(1, "a", Some(1), 2, DONE))]);
    assert_eq!(ledger.entries(), [entry("a", 2, 2, Some(9))]);
    assert_eq!(ledger.undo_items(&run(1)), [item("a", 2, Some(9), 1)]);
    assert_eq!(ledger.undo_items(&run(2)), [item("a", 2, Some(1), 2)]);
    assert_eq!(ledger.undo_items(&run(3)), []);
    assert_eq!(told(&ledger), [row("01", 1, 0, false, false), row("02", 1, 0, false, false)]);
}

#[test]
fn what_changed_last_is_taken_back_first() {
    let records = [changed(1, "b", None, 1, DONE), changed(2, "a", None, 1, DONE), changed(3, "c", None, 1, DONE)].concat();
    let ledger = fold(vec![(1, records), (2, changed(1, "b", Some(1), 2, DONE))]);
    let items = ledger.undo_items(&run(1));
    assert_eq!(items, [item("b", 2, None, 1), item("c", 1, None, 1), item("a", 1, None, 1)]);
}

#[test]
fn the_last_run_taken_back() {
    let journals = vec![
        (1, changed(1, "a", Some(9), 1, DONE)),
        (2, changed(1, "a", Some(1), 2, DONE)),
        (3, returned(1, "a", Some(2), Some(1), 2, DONE)),
    ];
    let ledger = fold(journals);
    assert_eq!(ledger.entries(), [entry("a", 1, 1, Some(9))]);
    assert_eq!(ledger.undo_items(&run(1)), [item("a", 1, Some(9), 1)], "the first run is still in force");
    assert_eq!(ledger.undo_items(&run(2)), [], "that state is there");
    assert_eq!(ledger.undo_items(&run(3)), [item("a", 1, Some(2), 3)], "the rollback can be taken back");
    assert_eq!(told(&ledger), [row("01", 1, 0, false, false), row("02", 1, 0, false, true), row("03", 1, 0, true, false)]);
}

#[test]
fn both_taken_back_and_changed_again() {
    let mut journals = vec![
        (1, changed(1, "a", Some(9), 1, DONE)),
        (2, changed(1, "a", Some(1), 2, DONE)),
        (3, returned(1, "a", Some(2), Some(9), 1, DONE)),
    ];
    let ledger = fold(journals.clone());
    assert_eq!(ledger.entries(), []);
    assert_eq!((ledger.undo_items(&run(1)), ledger.undo_items(&run(2))), (Vec::new(), vec![item("a", 2, Some(1), 2)]));
    assert_eq!(ledger.undo_items(&run(3)), [item("a", 2, Some(2), 3)]);
    assert_eq!(told(&ledger), [row("01", 1, 0, false, true), row("02", 1, 0, false, true), row("03", 1, 0, true, false)]);
    // Somebody edited the file before barque came again.
    journals.push((4, changed(1, "a", Some(8), 4, DONE)));
    assert_eq!(fold(journals).entries(), [entry("a", 4, 4, Some(8))]);
}

#[test]
fn a_rollback_taken_back() {
    let journals = vec![
        (1, changed(1, "a", None, 1, DONE)),
        (2, changed(1, "a", Some(1), 2, DONE)),
        (3, returned(1, "a", Some(2), None, 1, DONE)),
        (4, returned(1, "a", None, Some(2), 3, DONE)),
    ];
    let ledger = fold(journals);
    assert_eq!(ledger.entries(), [entry("a", 2, 2, None)]);
    assert_eq!(ledger.undo_items(&run(4)), [item("a", 2, None, 4)]);
    assert_eq!(ledger.undo_items(&run(3)), []);
    assert_eq!(ledger.undo_items(&run(2)), [item("a", 2, Some(1), 2)]);
    let taken_back: Vec<bool> = ledger.runs().iter().map(|known| known.taken_back).collect();
    assert_eq!(taken_back, [false, false, true, false]);
}

#[test]
fn a_crash_leaves_doubt_until_somebody_looks() {
    let doubtful = LedgerEntry { uncertain: true, ..entry("a", 1, 1, None) };
    for ending in [None, Some(Ending::Failed)] {
        let ledger = fold(vec![(1, changed(1, "a", None, 1, ending))]);
        assert_eq!(ledger.entries(), std::slice::from_ref(&doubtful));
        assert_eq!(ledger.undo_items(&run(1)), [item("a", 1, None, 1)], "taken back all the same");
        assert_eq!(told(&ledger), [row("01", ending.map_or(0, |_| 1), u32::from(ending.is_none()), false, false)]);
    }
    let ledger = fold(vec![(1, changed(1, "a", None, 1, Some(Ending::Observed)))]);
    assert_eq!(ledger.entries(), [entry("a", 1, 1, None)]);
    assert_eq!(fold(vec![(1, changed(1, "a", None, 1, Some(Ending::Unchanged)))]).entries(), []);
    // The next run makes it so.
    let again = fold(vec![(1, changed(1, "a", None, 1, None)), (2, changed(1, "a", None, 1, DONE))]);
    assert_eq!(again.entries(), [entry("a", 1, 2, None)]);
}

#[test]
fn a_rollback_that_was_cut_off_is_done_again() {
    for ending in [None, Some(Ending::Failed)] {
        let mut journals = vec![(1, changed(1, "a", Some(9), 1, DONE)), (2, returned(1, "a", Some(1), Some(9), 1, ending))];
        let ledger = fold(journals.clone());
        assert_eq!(ledger.entries(), [LedgerEntry { uncertain: true, ..entry("a", 1, 1, Some(9)) }]);
        assert_eq!(ledger.undo_items(&run(1)), [item("a", 1, Some(9), 1)]);
        journals.push((3, returned(1, "a", Some(9), Some(9), 1, Some(Ending::Unchanged))));
        let ledger = fold(journals);
        assert_eq!((ledger.entries(), ledger.undo_items(&run(1))), (Vec::new(), Vec::new()));
        assert!(ledger.runs()[0].taken_back && ledger.runs()[1].taken_back);
    }
}

#[test]
fn a_removal_is_no_rollback_and_can_be_taken_back() {
    let mut removal = vec![restore(1, &file("a", 1), &was(None), &was(Some(1)), &"00000000T000000Z-0000".parse().unwrap())];
    removal.push(outcome(1, Ending::Changed));
    let ledger = fold(vec![(1, changed(1, "a", None, 1, DONE)), (2, removal)]);
    assert_eq!(ledger.entries(), []);
    assert_eq!(ledger.undo_items(&run(2)), [item("a", 1, Some(1), 2)]);
    assert_eq!(told(&ledger), [row("01", 1, 0, false, true), row("02", 1, 0, false, false)]);
}

#[test]
fn only_what_a_run_changed_is_taken_back() {
    let first = [changed(1, "a", None, 1, DONE), changed(2, "b", None, 1, DONE)].concat();
    let ledger = fold(vec![(1, first), (2, changed(1, "b", Some(1), 2, DONE)), (3, returned(1, "b", Some(2), Some(1), 2, DONE))]);
    assert_eq!(ledger.entries(), [entry("a", 1, 1, None), entry("b", 1, 1, None)]);
    let ids: Vec<_> = ledger.undo_items(&run(1)).iter().map(|item| item.resource.id()).collect();
    assert_eq!(ids, [id("b"), id("a")]);
}
