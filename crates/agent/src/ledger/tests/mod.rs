#![allow(clippy::unwrap_used)]

mod cluster;
mod histories;
mod model;
mod pruning;

use barque_model::{Digest, Owner, RunId};
use barque_plan::{Change, Difference, File, Prior, Resource, ResourceId};

use super::base::{Base, History};
use super::fold::Ledger;
use crate::{Ending, Record};

fn run(number: usize) -> RunId {
    format!("20261125T{:02}{:02}00Z-0000", number / 60, number % 60).parse().unwrap()
}

fn file(name: &str, content: u8) -> Resource {
    Resource::File(File {
        path: format!("/etc/{name}"),
        digest: Digest::of(&[content]),
        mode: 0o644,
        owner: Owner::root(),
        sensitive: false,
    })
}

fn id(name: &str) -> ResourceId {
    file(name, 0).id()
}

/// What was there, by its content.
fn was(content: Option<u8>) -> Prior {
    content.map_or(Prior::Absent, |content| Prior::File { digest: Digest::of(&[content]), mode: 0o644, owner: Owner::root() })
}

fn intent(seq: u64, resource: &Resource, prior: &Prior) -> Record {
    let difference = Difference { change: Change::Update, reasons: Vec::new() };
    let (resource, prior) = (Box::new(resource.clone()), prior.clone());
    Record::Intent { format: 1, seq, at_millis: 0, step: String::new(), resource, difference, prior }
}

fn restore(seq: u64, resource: &Resource, target: &Prior, prior: &Prior, before: &RunId) -> Record {
    let (resource, target, prior, before) = (Box::new(resource.clone()), target.clone(), prior.clone(), before.clone());
    Record::Restore { format: 1, seq, at_millis: 0, step: String::new(), resource, target, prior, before }
}

fn outcome(intent: u64, result: Ending) -> Record {
    Record::Outcome { format: 1, intent, at_millis: 0, result, message: String::new() }
}

/// A change of a file from one content to another, and how it ended.
fn changed(seq: u64, name: &str, from: Option<u8>, to: u8, ending: Option<Ending>) -> Vec<Record> {
    let mut records = vec![intent(seq, &file(name, to), &was(from))];
    records.extend(ending.map(|ending| outcome(seq, ending)));
    records
}

/// A return of a file to an earlier content, and how it ended.
fn returned(seq: u64, name: &str, from: Option<u8>, to: Option<u8>, before: usize, ending: Option<Ending>) -> Vec<Record> {
    let mut records = vec![restore(seq, &file(name, from.unwrap_or(0)), &was(to), &was(from), &run(before))];
    records.extend(ending.map(|ending| outcome(seq, ending)));
    records
}

fn history(journals: Vec<(usize, Vec<Record>)>) -> History {
    History { base: Base::default(), journals: journals.into_iter().map(|(number, records)| (run(number), records)).collect() }
}

fn fold(journals: Vec<(usize, Vec<Record>)>) -> Ledger {
    Ledger::fold(&history(journals))
}

const DONE: Option<Ending> = Some(Ending::Changed);
