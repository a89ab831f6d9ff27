//! Plan first, do exactly that, take it back byte for byte: the life of a cluster on seven hosts, which are as they were at its end.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod change;
mod exact;
mod farewell;
mod foreign;
mod hosts;
mod locks;
mod watchdog;

use std::time::Duration;

use anyhow::Result;
use barque_e2e::{ClusterFile, Scenario, eventually};

pub(crate) const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
pub(crate) const ALL: [&str; 7] = ["lb1", "lb2", "m1", "m2", "m3", "n1", "n2"];

/// Fails unless `drift` finds nothing. A controller that loses its lease on a busy machine ends and is started again: it gets a moment.
pub(crate) fn nothing_differs(scenario: &Scenario) -> Result<()> {
    eventually("nothing differs", Duration::from_mins(1), || scenario.remote(&["drift"])?.code(0).map(drop))
}

#[test]
fn plan_change_take_back_leave() -> Result<()> {
    let scenario = Scenario::new("back", "")?;
    scenario.write(&ClusterFile::seven(&scenario.lab)?)?;
    let found = hosts::as_found(&scenario)?;
    let plan = exact::plan_changes_nothing_and_repeats(&scenario, &found)?;
    let first = exact::up_does_what_the_plan_lists(&scenario, &plan)?;
    let kubectl = scenario.kubectl()?;
    change::rolled_and_taken_back(&scenario, &kubectl, &first)?;
    foreign::a_saved_plan_is_refused_after_an_edit(&scenario)?;
    foreign::an_edit_is_shown_and_kept(&scenario)?;
    foreign::one_file_is_restored(&scenario)?;
    foreign::the_balancer_is_put_back_without_an_outage(&scenario, &kubectl)?;
    foreign::what_carries_no_work_is_put_back(&scenario, &kubectl)?;
    watchdog::a_unit_at_its_start_limit_comes_back(&scenario)?;
    farewell::hosts_are_as_found(&scenario, &found, &first)
}
