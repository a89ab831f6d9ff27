//! Files of earlier versions are still read.

use barque_model::Digest;
use barque_plan::{Prior, Resource};
use fs_err as fs;

use super::{Root, run};
use crate::ledger::{self, Ledger};
use crate::{Ending, Record, read_journal};

#[test]
fn a_journal_of_the_first_version() {
    let root = Root::new();
    let directory = root.context().state("journal");
    let text = include_str!("fixtures/journal-format-1.jsonl");
    fs::write(directory.join(format!("{}.jsonl", run(1))), text).unwrap();
    let records = read_journal(&directory, &run(1)).unwrap();
    assert_eq!(records.len(), text.lines().count(), "every line is understood");
    assert!(matches!(records.last(), Some(Record::End { format: 1 })));
    let Record::Intent { seq: 1, at_millis: 1_764_036_184_000, resource, prior, .. } = &records[0] else { panic!("{:?}", records[0]) };
    assert!(matches!(&**resource, Resource::File(file) if file.path == "/etc/etcd/etcd.env" && file.mode == 0o600 && file.sensitive));
    let old: Digest = "b".repeat(64).parse().unwrap();
    assert!(matches!(prior, Prior::File { digest, mode: 0o644, .. } if *digest == old), "{prior:?}");
    let results: Vec<Ending> =
        records.iter().filter_map(|record| if let Record::Outcome { result, .. } = record { Some(*result) } else { None }).collect();
    let expected = [Ending::Changed, Ending::Changed, Ending::Failed, Ending::Observed, Ending::Unchanged];
    assert_eq!(results[..5], expected);
    // What is written today is read as that version reads it: the same lines come out, with what it did not know and does not look at.
    for (line, record) in text.lines().zip(&records) {
        assert_eq!(serde_json::to_string(record).unwrap().replace(r#","form":"native""#, ""), line);
    }
    let ledger = Ledger::fold(&ledger::read(&root.context()).unwrap());
    let uncertain: Vec<_> = ledger.entries().into_iter().filter(|entry| entry.uncertain).map(|entry| entry.id().0).collect();
    assert_eq!(uncertain, ["directory /var/lib/etcd", "user etcd"]);
    assert_eq!(ledger.entries().len(), 8, "all but the parameter, which was not changed");
}
