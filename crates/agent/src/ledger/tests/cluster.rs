//! Changes of cluster objects and nodes.

use std::collections::BTreeMap;

use barque_model::{Taint, TaintEffect};
use barque_plan::KubeUndo;

use super::*;
use crate::NodeFormer;

fn object(data: &str) -> String {
    format!(r#"{{"kind":"ConfigMap","metadata":{{"name":"dns","namespace":"kube-system"}},"data":"{data}"}}"#)
}

const NAME: &str = "ConfigMap kube-system/dns";

fn applied(seq: u64, data: &str, prior: Option<&str>, ending: Option<Ending>) -> Vec<Record> {
    let prior = prior.map(object);
    let mut records = vec![Record::ObjectIntent { format: 1, seq, at_millis: 0, step: String::new(), object: object(data), prior }];
    records.extend(ending.map(|ending| outcome(seq, ending)));
    records
}

fn taken_back(seq: u64, names: &[&str], before: usize, ending: Option<Ending>) -> Vec<Record> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let (step, before, nodes) = (String::new(), run(before), BTreeMap::new());
    let mut records = vec![Record::KubeRestore { format: 1, seq, at_millis: 0, step, before, names, nodes }];
    records.extend(ending.map(|ending| outcome(seq, ending)));
    records
}

fn labelled(seq: u64, labels: &[(&str, Option<&str>)], taints: &[&str]) -> Vec<Record> {
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), value.map(str::to_owned))).collect();
    let taints_added = taints.iter().map(|key| taint(key)).collect();
    let (step, node, taints_former) = (String::new(), "m1".into(), Vec::new());
    let record = Record::NodeIntent { format: 1, seq, at_millis: 0, step, node, labels, taints_added, taints_former };
    vec![record, outcome(seq, Ending::Changed)]
}

fn taint(key: &str) -> Taint {
    Taint { key: key.into(), value: String::new(), effect: TaintEffect::NoSchedule }
}

fn undo(ledger: &Ledger, number: usize) -> Vec<KubeUndo> {
    ledger.undo(&run(number)).kube
}

#[test]
fn what_barque_made_is_deleted_and_what_was_there_comes_back() {
    let ledger = fold(vec![(1, applied(1, "1", None, DONE)), (2, applied(1, "2", Some("1 and defaults"), DONE))]);
    assert_eq!(undo(&ledger, 1), [KubeUndo::Delete { object: object("1") }]);
    assert_eq!(undo(&ledger, 2), [KubeUndo::Replace { object: object("1 and defaults") }]);
    assert_eq!(undo(&ledger, 3), []);
    assert!(ledger.runs().iter().all(|known| known.changed == 1 && !known.taken_back));
    assert_eq!(undo(&fold(vec![(1, applied(1, "1", None, Some(Ending::Unchanged)))]), 1), []);
}

#[test]
fn a_rollback_of_objects_counts_and_can_be_taken_back() {
    let mut journals =
        vec![(1, applied(1, "1", None, DONE)), (2, applied(1, "2", Some("1"), DONE)), (3, taken_back(1, &[NAME, "Secret other"], 2, DONE))];
    let ledger = fold(journals.clone());
    assert_eq!(undo(&ledger, 2), []);
    assert_eq!(undo(&ledger, 1), [KubeUndo::Delete { object: object("1") }]);
    assert_eq!(undo(&ledger, 3), [KubeUndo::Replace { object: object("2") }]);
    assert_eq!(
        ledger.runs().iter().map(|known| (known.restores, known.taken_back)).collect::<Vec<_>>(),
        [(false, false), (false, true), (true, false)]
    );
    journals.push((4, taken_back(1, &[NAME], 1, DONE)));
    let ledger = fold(journals.clone());
    assert_eq!(undo(&ledger, 1), []);
    assert_eq!(undo(&ledger, 4), [KubeUndo::Replace { object: object("1") }]);
    journals.push((5, taken_back(1, &[NAME], 4, DONE)));
    assert_eq!(undo(&fold(journals), 5), [KubeUndo::Delete { object: object("2") }]);
}

fn removed(seq: u64, was: &str, ending: Option<Ending>) -> Vec<Record> {
    let (step, object, prior) = (String::new(), object("as applied"), object(was));
    let mut records = vec![Record::ObjectRemoval { format: 1, seq, at_millis: 0, step, object, prior }];
    records.extend(ending.map(|ending| outcome(seq, ending)));
    records
}

/// Name, object and run of what the ledger knows.
fn known(ledger: &Ledger) -> Vec<(String, Option<String>, RunId)> {
    ledger.objects().into_iter().map(|entry| (entry.name, entry.object, entry.run)).collect()
}

#[test]
fn what_was_deleted_comes_back_as_it_was() {
    let mut journals = vec![(1, applied(1, "1", None, DONE)), (2, removed(1, "1 and defaults", DONE))];
    let ledger = fold(journals.clone());
    assert_eq!(known(&ledger), [(NAME.to_owned(), None, run(2))]);
    assert_eq!(undo(&ledger, 2), [KubeUndo::Replace { object: object("1 and defaults") }]);
    assert_eq!(undo(&ledger, 1), [KubeUndo::Delete { object: object("1") }]);
    journals.push((3, taken_back(1, &[NAME], 2, DONE)));
    let ledger = fold(journals.clone());
    assert_eq!(known(&ledger), [(NAME.to_owned(), Some(object("1 and defaults")), run(3))]);
    assert_eq!(undo(&ledger, 2), []);
    // Taking the rollback back deletes it again.
    journals.push((4, taken_back(1, &[NAME], 3, DONE)));
    assert_eq!(known(&fold(journals)), [(NAME.to_owned(), None, run(4))]);
}

#[test]
fn a_removal_that_was_cut_short_is_not_believed() {
    for ending in [None, Some(Ending::Failed)] {
        let ledger = fold(vec![(1, applied(1, "1", None, DONE)), (2, removed(1, "1", ending))]);
        assert_eq!(known(&ledger), [(NAME.to_owned(), Some(object("as applied")), run(2))]);
    }
}

#[test]
fn objects_of_pruned_runs_are_still_known() {
    let journals = vec![(1, applied(1, "1", None, DONE)), (2, changed(1, "a", None, 1, DONE)), (3, changed(1, "a", Some(1), 2, DONE))];
    let (_, kept) = crate::ledger::prune::split(&history(journals), 1);
    assert_eq!(kept.journals.len(), 1);
    let ledger = Ledger::fold(&kept);
    assert_eq!(known(&ledger), [(NAME.to_owned(), Some(object("1")), run(1))]);
    assert_eq!(undo(&ledger, 3), [], "only undoing it is not possible any more");
    let mut later = kept;
    later.journals.push((run(4), removed(1, "1", DONE)));
    assert_eq!(undo(&Ledger::fold(&later), 4), [KubeUndo::Replace { object: object("1") }]);
}

#[test]
fn a_rollback_of_objects_that_failed_is_done_again() {
    for ending in [None, Some(Ending::Failed)] {
        let ledger = fold(vec![(1, applied(1, "1", None, DONE)), (2, taken_back(1, &[NAME], 1, ending))]);
        assert_eq!(undo(&ledger, 1), [KubeUndo::Delete { object: object("1") }]);
        assert!(!ledger.runs()[0].taken_back);
    }
}

#[test]
fn a_node_gets_its_first_labels_back() {
    let journals = vec![
        (1, labelled(1, &[("old", Some("0")), ("new", None)], &["a"])),
        (2, labelled(1, &[("old", Some("1")), ("newer", None)], &["a", "b"])),
        (3, applied(1, "1", None, DONE)),
    ];
    let ledger = fold(journals.clone());
    let node = |labels: &[(&str, &str)], removed: &[&str], taints: &[&str]| KubeUndo::Node {
        name: "m1".into(),
        labels: labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        remove_labels: removed.iter().map(|label| (*label).to_owned()).collect(),
        taints: Vec::new(),
        remove_taints: taints.iter().map(|key| taint(key)).collect(),
    };
    assert_eq!(undo(&ledger, 2), [KubeUndo::Delete { object: object("1") }, node(&[("old", "1")], &["newer"], &["a", "b"])]);
    assert_eq!(undo(&ledger, 1)[1], node(&[("old", "0")], &["new", "newer"], &["a", "b"]));
    let restored = [journals, vec![(4, taken_back(1, &["Node m1", NAME], 2, DONE))]].concat();
    let ledger = fold(restored);
    assert_eq!(undo(&ledger, 2), []);
    assert_eq!(undo(&ledger, 1), [node(&[("old", "0")], &["new"], &["a"])]);
}

/// A rollback to before run `before`, which finds the node as `former` says.
fn node_taken_back(before: usize, labels: &[(&str, Option<&str>)], taints: &[&str]) -> Vec<Record> {
    let former = NodeFormer {
        labels: labels.iter().map(|(label, value)| ((*label).to_owned(), value.map(str::to_owned))).collect(),
        taints_added: Vec::new(),
        taints_former: taints.iter().map(|key| taint(key)).collect(),
    };
    let (names, nodes) = (vec!["Node m1".to_owned()], BTreeMap::from([("m1".to_owned(), former)]));
    let record = Record::KubeRestore { format: 1, seq: 1, at_millis: 0, step: String::new(), before: run(before), names, nodes };
    vec![record, outcome(1, Ending::Changed)]
}

#[test]
fn a_rollback_of_a_node_can_be_taken_back() {
    // Labels: 0, then 1 by run 1, then 2 (with a taint) by run 2, then back to 1 by run 3.
    let mut journals = vec![
        (1, labelled(1, &[("old", Some("0"))], &[])),
        (2, labelled(1, &[("old", Some("1")), ("new", None)], &["a"])),
        (3, node_taken_back(2, &[("old", Some("2")), ("new", Some("x"))], &["a"])),
    ];
    let node = |labels: &[(&str, &str)], removed: &[&str], taints: &[&str], gone: &[&str]| KubeUndo::Node {
        name: "m1".into(),
        labels: labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
        remove_labels: removed.iter().map(|label| (*label).to_owned()).collect(),
        taints: taints.iter().map(|key| taint(key)).collect(),
        remove_taints: gone.iter().map(|key| taint(key)).collect(),
    };
    let ledger = fold(journals.clone());
    assert_eq!(undo(&ledger, 3), [node(&[("old", "2"), ("new", "x")], &[], &["a"], &[])]);
    assert_eq!(undo(&ledger, 2), []);
    assert_eq!(undo(&ledger, 1), [node(&[("old", "0")], &[], &[], &[])]);
    // Another change after the rollback.
    journals.push((4, labelled(1, &[("old", Some("1"))], &["b"])));
    let ledger = fold(journals.clone());
    assert_eq!(undo(&ledger, 4), [node(&[("old", "1")], &[], &[], &["b"])]);
    assert_eq!(undo(&ledger, 3), [node(&[("old", "2"), ("new", "x")], &[], &["a"], &["b"])]);
    assert_eq!(undo(&ledger, 2), [node(&[("old", "1")], &[], &[], &["b"])]);
}

#[test]
fn what_only_the_server_writes_is_left_out() {
    let prior = r#"{"kind":"A","metadata":{"name":"n","uid":"u","resourceVersion":"7","managedFields":[]},"status":{"ready":1}}"#;
    let intent = Record::ObjectIntent {
        format: 1,
        seq: 1,
        at_millis: 0,
        step: String::new(),
        object: r#"{"kind":"A","metadata":{"name":"n"}}"#.into(),
        prior: Some(prior.into()),
    };
    let ledger = fold(vec![(1, vec![intent])]);
    assert_eq!(undo(&ledger, 1), [KubeUndo::Replace { object: r#"{"kind":"A","metadata":{"name":"n","managedFields":[]}}"#.into() }]);
}
