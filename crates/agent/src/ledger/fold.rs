//! Folds journals. Pure: the same journals give the same ledger.

use std::collections::BTreeMap;

use barque_model::RunId;
use barque_plan::{LedgerEntry, ObjectEntry, Prior, Resource, ResourceId, UndoItem};

use super::base::History;
use super::cluster::Cluster;
use super::runs::Tally;
use super::timeline::Timeline;
use crate::{Ending, HostRun, Record, UndoAnswer};

/// What undoes the change of a resource.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    /// What was there before the change.
    pub(super) prior: Prior,
    /// The resource as the change's record names it.
    pub(super) resource: Resource,
}

/// The sum of a host's journals.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(super) resources: BTreeMap<ResourceId, Timeline<Option<LedgerEntry>, Undo>>,
    pub(super) cluster: Cluster,
    tallies: BTreeMap<RunId, Tally>,
    order: usize,
}

impl Ledger {
    /// Folds what is left of pruned runs, and then the journals in the order of their runs.
    pub(crate) fn fold(history: &History) -> Self {
        let mut ledger = Self::default();
        for entry in &history.base.entries {
            let run = history.base.oldest.as_ref().unwrap_or(&entry.run);
            let undo = Undo { prior: entry.original.clone(), resource: entry.resource.clone() };
            let mut timeline = Timeline::new(None);
            timeline.change(run, ledger.order, undo, Some(entry.clone()));
            ledger.resources.insert(entry.id(), timeline);
            ledger.order += 1;
        }
        ledger.cluster.begin(&history.base.objects);
        for (run, records) in &history.journals {
            ledger.fold_run(run, records);
        }
        ledger
    }

    fn fold_run(&mut self, run: &RunId, records: &[Record]) {
        let outcomes = records.iter().filter_map(|record| match record {
            Record::Outcome { intent, result, .. } => Some((*intent, *result)),
            _ => None,
        });
        let endings: BTreeMap<u64, Ending> = outcomes.collect();
        let mut tally = Tally::default();
        for record in records {
            tally.explain(record);
            let Some(seq) = record.seq() else { continue };
            let ending = endings.get(&seq).copied();
            tally.count(record, ending);
            self.order += 1;
            match record {
                Record::Intent { resource, prior, .. } => self.fold_intent(run, resource, prior, ending),
                Record::Restore { resource, prior, before, .. } => self.fold_restore(run, resource, prior, before, ending),
                other => self.cluster.fold(run, self.order, other, ending),
            }
        }
        self.tallies.insert(run.clone(), tally);
    }

    fn fold_intent(&mut self, run: &RunId, resource: &Resource, prior: &Prior, ending: Option<Ending>) {
        if ending == Some(Ending::Unchanged) {
            return;
        }
        let timeline = self.resources.entry(resource.id()).or_insert_with(|| Timeline::new(None));
        let original = timeline.content().as_ref().map_or(prior, |entry| &entry.original).clone();
        let uncertain = matches!(ending, None | Some(Ending::Failed));
        let entry = LedgerEntry { resource: resource.clone(), run: run.clone(), original, uncertain };
        let undo = Undo { prior: prior.clone(), resource: resource.clone() };
        timeline.change(run, self.order, undo, Some(entry));
    }

    fn fold_restore(&mut self, run: &RunId, resource: &Resource, prior: &Prior, before: &RunId, ending: Option<Ending>) {
        let timeline = self.resources.entry(resource.id()).or_insert_with(|| Timeline::new(None));
        let undo = Undo { prior: prior.clone(), resource: resource.clone() };
        let known = timeline.first(before).is_some();
        let former = timeline.first(before).and_then(|first| first.former().clone());
        match ending {
            Some(Ending::Changed | Ending::Unchanged) if known => timeline.restore(run, self.order, undo, before, former),
            // Whoever saw it afterwards saw what was to be taken back, or has changed it since.
            Some(Ending::Observed) => timeline.change(run, self.order, undo, timeline.content().clone()),
            // The last: to before a run that did not change it, as far as the journals know.
            None | Some(Ending::Failed | Ending::Changed | Ending::Unchanged) => {
                // Something of barque's may be there on either side.
                let either = timeline.content().clone().or(former);
                timeline.change(run, self.order, undo, either.map(|entry| LedgerEntry { uncertain: true, ..entry }));
            }
        }
    }

    /// What barque manages, in the order of the identities.
    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        self.resources.values().filter_map(|timeline| timeline.content().clone()).collect()
    }

    /// Cluster objects that this host's agent changed, as it left them.
    pub(crate) fn objects(&self) -> Vec<ObjectEntry> {
        self.cluster.entries()
    }

    /// What taking back `before` and every later run would restore: what changed last comes first.
    pub(crate) fn undo(&self, before: &RunId) -> UndoAnswer {
        UndoAnswer { items: self.undo_items(before), kube: self.cluster.undo(before) }
    }

    pub(super) fn undo_items(&self, before: &RunId) -> Vec<UndoItem> {
        let mut found: Vec<(usize, UndoItem)> = Vec::new();
        for timeline in self.resources.values() {
            let (Some(first), Some(last)) = (timeline.to_undo(before), timeline.changes().last()) else { continue };
            let resource = timeline.content().as_ref().map_or(&last.undo.resource, |entry| &entry.resource);
            let item = UndoItem { resource: resource.clone(), prior: first.undo.prior.clone(), run: first.run.clone() };
            found.push((last.order, item));
        }
        found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        found.into_iter().map(|(_, item)| item).collect()
    }

    /// The runs whose journals were folded, oldest first.
    pub(crate) fn runs(&self) -> Vec<HostRun> {
        let resources = self.resources.values().flat_map(Timeline::in_force).map(|change| &change.run);
        let in_force = resources.chain(self.cluster.in_force()).collect();
        self.tallies.iter().map(|(run, tally)| tally.told(run, &in_force)).collect()
    }
}
