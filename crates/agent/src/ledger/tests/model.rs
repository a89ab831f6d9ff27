//! Random histories against the plain truth: what was there before each run.

use std::collections::{BTreeMap, BTreeSet};

use barque_plan::UndoItem;
use proptest::prelude::*;

use super::*;
use crate::ledger::prune::split;

const NAMES: [&str; 3] = ["a", "b", "c"];
const ORIGIN: &str = "00000000T000000Z-0000";

/// How a change ends: what the journal says, and whether it was made.
#[derive(Debug, Clone, Copy)]
struct End(Option<Ending>, bool);

#[derive(Debug, Clone)]
enum Doing {
    Apply(Vec<(usize, u8, End)>),
    /// To before so many runs ago; of the changes those that are not left out.
    Rollback(usize, Vec<End>, Vec<bool>),
    Remove(Vec<usize>, Vec<End>),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End(DONE, true)),
        1 => any::<bool>().prop_map(|made| End(None, made)),
        1 => any::<bool>().prop_map(|made| End(Some(Ending::Failed), made)),
        1 => Just(End(Some(Ending::Observed), true)),
    ]
}

fn doing() -> impl Strategy<Value = Doing> {
    let ends = || prop::collection::vec(end(), NAMES.len());
    let left_out = prop_oneof![3 => Just(vec![false; 3]), 1 => prop::collection::vec(any::<bool>(), NAMES.len())];
    prop_oneof![
        4 => prop::collection::vec((0..NAMES.len(), 1..4u8, end()), 0..4).prop_map(Doing::Apply),
        3 => (1..6usize, ends(), left_out).prop_map(|(back, ends, left_out)| Doing::Rollback(back, ends, left_out)),
        1 => (prop::collection::vec(0..NAMES.len(), 0..3), ends()).prop_map(|(names, ends)| Doing::Remove(names, ends)),
    ]
}

type Truth = BTreeMap<&'static str, Option<u8>>;

/// A host, and what it was before each run.
struct Host {
    truth: Truth,
    before: Vec<Truth>,
    journals: Vec<(usize, Vec<Record>)>,
}

fn original() -> Truth {
    [("a", None), ("b", Some(9)), ("c", None)].into()
}

fn content_of(prior: &Prior) -> Option<u8> {
    (0..=9).map(Some).chain([None]).find(|content| was(*content) == *prior).unwrap()
}

fn name_of(resource: &Resource) -> &'static str {
    NAMES.into_iter().find(|name| id(name) == resource.id()).unwrap()
}

fn after(truth: &Truth, items: &[UndoItem]) -> Truth {
    let mut truth = truth.clone();
    truth.extend(items.iter().map(|item| (name_of(&item.resource), content_of(&item.prior))));
    truth
}

impl Host {
    fn new() -> Self {
        Self { truth: original(), before: Vec::new(), journals: Vec::new() }
    }

    fn ledger(&self) -> Ledger {
        fold(self.journals.clone())
    }

    fn perform(&mut self, doing: &Doing) {
        let number = self.before.len();
        self.before.push(self.truth.clone());
        let mut records = Vec::new();
        match doing {
            Doing::Apply(changes) => {
                let mut once = BTreeSet::new();
                for (index, content, End(ending, made)) in changes {
                    let name = NAMES[*index];
                    if !once.insert(name) || self.truth[name] == Some(*content) {
                        continue;
                    }
                    records.extend(changed(records.len() as u64 + 1, name, self.truth[name], *content, *ending));
                    if *made {
                        self.truth.insert(name, Some(*content));
                    }
                }
            }
            Doing::Rollback(back, ends, left_out) => {
                let before = number.saturating_sub(*back);
                let items = self.ledger().undo_items(&run(before));
                for ((item, end), left_out) in items.iter().zip(ends).zip(left_out) {
                    if !left_out {
                        self.bring_back(&mut records, &item.resource, &item.prior, &run(before), *end);
                    }
                }
            }
            Doing::Remove(names, ends) => {
                let wanted: Vec<&str> = names.iter().map(|index| NAMES[*index]).collect();
                let entries = self.ledger().entries().into_iter().filter(|entry| wanted.contains(&name_of(&entry.resource)));
                for (entry, end) in entries.zip(ends) {
                    self.bring_back(&mut records, &entry.resource, &entry.original, &ORIGIN.parse().unwrap(), *end);
                }
            }
        }
        self.journals.push((number, records));
    }

    fn bring_back(&mut self, records: &mut Vec<Record>, resource: &Resource, target: &Prior, before: &RunId, End(ending, made): End) {
        let name = name_of(resource);
        let made = made && ending != Some(Ending::Observed);
        let ending = if ending == DONE && was(self.truth[name]) == *target { Some(Ending::Unchanged) } else { ending };
        let seq = records.len() as u64 + 1;
        records.push(restore(seq, resource, target, &was(self.truth[name]), before));
        records.extend(ending.map(|ending| outcome(seq, ending)));
        if made {
            self.truth.insert(name, content_of(target));
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let ledger = self.ledger();
        for (number, before) in self.before.iter().enumerate() {
            let items = ledger.undo_items(&run(number));
            prop_assert_eq!(&after(&self.truth, &items), before, "before run {}: {:?}", number, items);
        }
        let entries = ledger.entries();
        for name in NAMES {
            match entries.iter().find(|entry| entry.id() == id(name)) {
                None => prop_assert_eq!(self.truth[name], original()[name], "{} is not managed", name),
                Some(entry) => {
                    prop_assert_eq!(content_of(&entry.original), original()[name]);
                    prop_assert!(entry.uncertain || entry.resource == file(name, self.truth[name].unwrap_or(0)), "{:?}", entry);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn undo_leads_to_what_was_before(doings in prop::collection::vec(doing(), 1..9)) {
        let mut host = Host::new();
        for doing in &doings {
            host.perform(doing);
            host.check()?;
        }
    }

    #[test]
    fn a_whole_rollback_takes_its_runs_back(doings in prop::collection::vec(doing(), 1..7), back in 1..6usize) {
        let mut host = Host::new();
        for doing in &doings {
            host.perform(doing);
        }
        let first = doings.len().saturating_sub(back);
        host.perform(&Doing::Rollback(back, vec![End(DONE, true); 3], vec![false; 3]));
        prop_assert_eq!(&host.truth, &host.before[first]);
        for (number, known) in host.ledger().runs().iter().enumerate().take(doings.len()).skip(first) {
            let touched = known.changed > 0 || known.open > 0;
            prop_assert!(!matches!(doings[number], Doing::Apply(_)) || known.taken_back == touched, "{:?}", known);
        }
    }

    #[test]
    fn what_was_pruned_is_not_missed(doings in prop::collection::vec(doing(), 1..9), keeps in prop::collection::vec(1..4usize, 1..3)) {
        let mut host = Host::new();
        for doing in &doings {
            host.perform(doing);
        }
        let whole = history(host.journals.clone());
        let mut pruned = whole.clone();
        for keep in keeps {
            pruned = split(&pruned, keep).1;
        }
        let (all, rest) = (Ledger::fold(&whole), Ledger::fold(&pruned));
        prop_assert_eq!(all.entries(), rest.entries());
        for (known, _) in &pruned.journals {
            let number = host.journals.iter().position(|(number, _)| run(*number) == *known).unwrap();
            prop_assert_eq!(&after(&host.truth, &rest.undo_items(known)), &host.before[number]);
        }
    }
}
