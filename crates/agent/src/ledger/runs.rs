//! What a journal says of its run.

use std::collections::BTreeSet;

use barque_model::RunId;

use crate::{Ending, HostRun, Record};

/// Before every run: a plan that removes what is not wanted any more restores what was there before barque came.
const ORIGIN: &str = "00000000T000000Z-0000";

/// Whether a restore to before `run` is part of a rollback, and not the removal of what is not wanted any more.
pub(super) fn is_rollback(run: &RunId) -> bool {
    run.as_str() != ORIGIN
}

/// A run's journal, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    changed: BTreeSet<String>,
    open: u32,
    restores: bool,
    reason: Option<String>,
}

impl Tally {
    /// Notes why the host makes this run itself.
    pub(super) fn explain(&mut self, record: &Record) {
        if let Record::TakeBack { run, reason, .. } = record {
            self.reason = Some(format!("takes run {run} back: {reason}"));
        }
    }

    /// Counts a record that begins a change, and how that ended.
    pub(super) fn count(&mut self, record: &Record, ending: Option<Ending>) {
        let names = match record {
            Record::Intent { resource, .. } => vec![resource.id().0],
            Record::Restore { resource, before, .. } => {
                self.restores |= is_rollback(before);
                vec![resource.id().0]
            }
            Record::ObjectIntent { object, .. } | Record::ObjectRemoval { object, .. } => vec![super::cluster::name_of(object)],
            Record::NodeIntent { node, .. } => vec![format!("Node {node}")],
            Record::KubeRestore { names, before, .. } => {
                self.restores |= is_rollback(before);
                names.clone()
            }
            Record::TakeBack { .. } | Record::Outcome { .. } | Record::End { .. } => return,
        };
        match ending {
            None => self.open += 1,
            Some(Ending::Unchanged) => {}
            Some(Ending::Changed | Ending::Failed | Ending::Observed) => self.changed.extend(names),
        }
    }

    /// The same for the client. `in_force` are the runs of which some change is.
    pub(super) fn told(&self, run: &RunId, in_force: &BTreeSet<&RunId>) -> HostRun {
        let changed = u32::try_from(self.changed.len()).unwrap_or(u32::MAX);
        let taken_back = (changed > 0 || self.open > 0) && !in_force.contains(run);
        HostRun { run: run.clone(), changed, open: self.open, restores: self.restores, taken_back, reason: self.reason.clone() }
    }
}
