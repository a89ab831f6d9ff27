#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Digest, HostName};
use barque_plan::StepId;
use proptest::prelude::*;

use super::schedule::{SEEDS, Schedule, Source};

fn name(number: usize) -> HostName {
    format!("n{number:02}").parse().unwrap()
}

fn digest(number: usize) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn hosts(source: &Source) -> Vec<String> {
    match source {
        Source::Operator => vec!["operator".into()],
        Source::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect(),
    }
}

/// `hosts` hosts that each want the same `blobs` contents in the same order.
fn all_want(hosts: usize, blobs: usize) -> Schedule {
    let mut schedule = Schedule::new((0..blobs).map(digest).collect());
    for host in 0..hosts {
        for blob in 0..blobs {
            schedule.wait(&name(host), step(host, blob), digest(blob));
        }
    }
    schedule
}

fn step(host: usize, blob: usize) -> StepId {
    StepId(u32::try_from(host * 1000 + blob).unwrap())
}

fn source(schedule: &Schedule, host: usize, blob: usize) -> Option<Vec<String>> {
    schedule.source(&name(host), step(host, blob)).map(hosts)
}

#[test]
fn two_seeds_and_the_others_fetch_from_them() {
    let mut schedule = all_want(8, 1);
    assert!(schedule.grant() && !schedule.grant());
    let begun: Vec<usize> = (0..8).filter(|host| source(&schedule, *host, 0).is_some()).collect();
    assert_eq!(begun, [0, 1], "the others wait");
    schedule.offers(&name(0), digest(0));
    schedule.leave(&name(0), step(0, 0));
    assert!(schedule.grant());
    let from_first: Vec<usize> = (0..8).filter(|host| source(&schedule, *host, 0) == Some(vec!["n00".into()])).collect();
    assert_eq!(from_first, [2, 3, 4, 5], "four at a time from one host");
    schedule.offers(&name(2), digest(0));
    schedule.leave(&name(2), step(2, 0));
    assert!(schedule.grant());
    assert_eq!(source(&schedule, 6, 0).unwrap(), ["n02", "n00"], "the least busy first, another one behind it");
    assert_eq!(source(&schedule, 7, 0).unwrap(), ["n02", "n00"]);
}

#[test]
fn who_waits_for_one_content_seeds_the_next() {
    let mut schedule = all_want(6, 3);
    schedule.grant();
    let seeds: Vec<Option<usize>> = (0..6).map(|host| (0..3).find(|blob| source(&schedule, host, *blob).is_some())).collect();
    assert_eq!(seeds, [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn what_few_need_comes_from_the_operator_in_the_plan_s_order() {
    let mut schedule = Schedule::new(BTreeSet::new());
    for host in 0..3 {
        for blob in [2, 0, 1] {
            schedule.wait(&name(host), step(host, blob), digest(blob));
        }
    }
    schedule.grant();
    for host in 0..3 {
        assert_eq!(source(&schedule, host, 0), Some(vec!["operator".into()]));
        assert!(source(&schedule, host, 1).is_none() && source(&schedule, host, 2).is_none(), "one at a time");
    }
}

#[test]
fn a_host_that_fails_twice_is_not_fetched_from_any_more() {
    let mut schedule = all_want(5, 1);
    schedule.grant();
    for seed in 0..2 {
        schedule.offers(&name(seed), digest(0));
        schedule.leave(&name(seed), step(seed, 0));
    }
    schedule.failed(&name(2), &name(0));
    schedule.grant();
    assert_eq!(source(&schedule, 2, 0).unwrap(), ["n01"], "not from the one that failed it");
    assert_eq!(source(&schedule, 3, 0).unwrap(), ["n00", "n01"]);
    schedule.failed(&name(3), &name(0));
    schedule.fall_back(&name(3));
    schedule.leave(&name(4), step(4, 0));
    schedule.wait(&name(4), step(4, 0), digest(0));
    schedule.grant();
    assert_eq!(source(&schedule, 4, 0).unwrap(), ["n01"]);
}

#[test]
fn a_host_that_reaches_nobody_gets_all_from_the_operator() {
    let mut schedule = all_want(5, 1);
    for giving in 2..4 {
        schedule.failed(&name(4), &name(giving));
    }
    schedule.grant();
    assert_eq!(source(&schedule, 4, 0).unwrap(), ["operator"], "beside the two seeds");
    let mut schedule = all_want(5, 1);
    schedule.fetched(&name(4));
    for giving in 2..4 {
        schedule.failed(&name(4), &name(giving));
    }
    schedule.grant();
    assert_eq!(source(&schedule, 4, 0), None, "one that has fetched before waits for others");
}

#[test]
fn a_seed_that_goes_is_replaced() {
    let mut schedule = all_want(4, 1);
    schedule.grant();
    schedule.leave(&name(0), step(0, 0));
    assert!(schedule.grant());
    assert_eq!(source(&schedule, 2, 0).unwrap(), ["operator"]);
    assert_eq!(source(&schedule, 3, 0), None);
}

/// What may become of a transfer.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    /// It arrives, but the host cannot offer it.
    ArrivesUnoffered,
    /// The host that gives fails; the operator sends it.
    PeerFails,
    /// The step fails for good.
    StepFails,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Arrives), 1 => Just(Fate::ArrivesUnoffered), 2 => Just(Fate::PeerFails), 1 => Just(Fate::StepFails)]
}

/// Runs to the end; each turn one of the running transfers, chosen by `choices`, comes to its fate. Answers how often the operator sent each.
fn play(hosts: usize, blobs: usize, choices: &[(usize, Fate)]) -> Result<BTreeMap<usize, usize>, String> {
    let mut schedule = all_want(hosts, blobs);
    let mut left: BTreeSet<(usize, usize)> = (0..hosts).flat_map(|host| (0..blobs).map(move |blob| (host, blob))).collect();
    let mut sent: BTreeMap<usize, usize> = BTreeMap::new();
    let mut choices = choices.iter().cycle();
    while !left.is_empty() {
        schedule.grant();
        let running: Vec<(usize, usize)> = left.iter().copied().filter(|(host, blob)| source(&schedule, *host, *blob).is_some()).collect();
        if running.is_empty() {
            return Err(format!("nothing runs, and these are left: {left:?}"));
        }
        for host in 0..hosts {
            if running.iter().filter(|(other, _)| *other == host).count() > 1 {
                return Err(format!("n{host} receives two contents at a time"));
            }
            let fetchers =
                running.iter().filter(|(other, blob)| source(&schedule, *other, *blob).unwrap()[0] == name(host).as_str()).count();
            if fetchers > 4 {
                return Err(format!("{fetchers} fetch from n{host}"));
            }
        }
        let (choice, fate) = choices.next().unwrap();
        let (host, blob) = running[choice % running.len()];
        let from = schedule.source(&name(host), step(host, blob)).unwrap().clone();
        if let Source::Hosts(givers) = &from {
            if givers.contains(&name(host)) || givers.is_empty() {
                return Err(format!("n{host} fetches from {givers:?}"));
            }
            if matches!(fate, Fate::PeerFails) {
                for giver in givers {
                    schedule.failed(&name(host), giver);
                }
                schedule.fall_back(&name(host));
            } else if !matches!(fate, Fate::StepFails) {
                schedule.fetched(&name(host));
            }
        }
        if *schedule.source(&name(host), step(host, blob)).unwrap() == Source::Operator {
            *sent.entry(blob).or_default() += 1;
        }
        if matches!(fate, Fate::Arrives | Fate::PeerFails) {
            schedule.offers(&name(host), digest(blob));
        }
        schedule.leave(&name(host), step(host, blob));
        left.remove(&(host, blob));
    }
    Ok(sent)
}

proptest! {
    // Each case plays a whole run.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_transfer_comes_to_an_end(
        hosts in 1usize..16,
        blobs in 1usize..6,
        choices in prop::collection::vec((any::<usize>(), fate()), 1..60),
    ) {
        play(hosts, blobs, &choices).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn the_operator_sends_no_content_more_often_than_there_are_seeds(
        hosts in 1usize..16,
        blobs in 1usize..6,
        choices in prop::collection::vec(any::<usize>(), 1..60),
    ) {
        let choices: Vec<(usize, Fate)> = choices.into_iter().map(|choice| (choice, Fate::Arrives)).collect();
        let sent = play(hosts, blobs, &choices).map_err(TestCaseError::fail)?;
        for blob in 0..blobs {
            prop_assert!((1..=SEEDS).contains(&sent[&blob]));
        }
    }
}
