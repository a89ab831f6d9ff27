//! Forgets old runs: what they came to is kept, what only undoing them needs is not.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;

use barque_host::HostContext;
use barque_model::{Digest, RunId};
use barque_plan::{LedgerEntry, Prior, Resource};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::base::{self, Base, History};
use super::fold::Ledger;
use super::runs::is_rollback;
use crate::{Record, journal};

/// What must stay on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Former contents.
    pub(crate) prior: BTreeSet<Digest>,
    /// Content of the store.
    pub(crate) blobs: BTreeSet<Digest>,
}

/// Splits off the runs that are to be forgotten: all but the last `keep` that changed something. One with an open change stays, and so does
/// whatever a kept rollback went back to.
pub(super) fn split(history: &History, keep: usize) -> (History, History) {
    let runs = Ledger::fold(history).runs();
    let changing: Vec<usize> = (0..runs.len()).filter(|index| runs[*index].changed > 0 || runs[*index].open > 0).collect();
    let keep = keep.max(1);
    let mut cut = if changing.len() > keep { changing[changing.len() - keep] } else { 0 };
    if let Some(open) = history.journals.iter().position(|(_, records)| journal::is_open(records)) {
        cut = cut.min(open);
    }
    while let Some(earlier) = first_needed(&history.journals[cut..]).map(|run| position(history, run)).filter(|earlier| *earlier < cut) {
        cut = earlier;
    }
    let (old, kept) = history.journals.split_at(cut);
    let part = |base: &Base, journals: &[(RunId, Vec<Record>)]| History { base: base.clone(), journals: journals.to_vec() };
    let old = part(&history.base, old);
    let base = if old.journals.is_empty() { history.base.clone() } else { base_of(&old) };
    (old, part(&base, kept))
}

/// The earliest run that a rollback among the journals went back to before.
fn first_needed(journals: &[(RunId, Vec<Record>)]) -> Option<&RunId> {
    let befores = journals.iter().flat_map(|(_, records)| records).filter_map(|record| match record {
        Record::Restore { before, .. } | Record::KubeRestore { before, .. } if is_rollback(before) => Some(before),
        _ => None,
    });
    befores.min()
}

fn position(history: &History, run: &RunId) -> usize {
    history.journals.iter().position(|(known, _)| known >= run).unwrap_or(history.journals.len())
}

fn base_of(old: &History) -> Base {
    let runs: Vec<RunId> = old.journals.iter().map(|(run, _)| run.clone()).collect();
    let oldest = old.base.oldest.clone().or_else(|| runs.first().cloned());
    let ledger = Ledger::fold(old);
    Base { format: base::FORMAT, oldest, folded: runs, entries: ledger.entries(), objects: ledger.objects() }
}

/// Forgets all but the last `keep` runs that changed something, and answers what the others need. Blocks. A crash in between costs nothing.
pub(crate) fn prune(
    context: &HostContext,
    keep: u32,
    before_removal: impl FnOnce(&[RunId]) -> io::Result<()>,
) -> Result<Needed, PruneError> {
    let history = base::read(context).map_err(PruneError::Read)?;
    let (old, kept) = split(&history, usize::try_from(keep).unwrap_or(usize::MAX));
    let directory = context.state("journal");
    // Left behind by a crash before.
    let mut gone: Vec<RunId> = history.base.folded.iter().filter(|run| journal::place(&directory, run).is_file()).cloned().collect();
    if !old.journals.is_empty() {
        gone.extend(old.journals.iter().map(|(run, _)| run.clone()));
        let base = Base { folded: gone.clone(), ..kept.base.clone() };
        write(&directory, &base)?;
    }
    if !gone.is_empty() {
        before_removal(&gone)?;
        for run in &gone {
            fs::remove_file(journal::place(&directory, run))?;
        }
        fs::File::open(&directory)?.sync_all()?;
    }
    Ok(needed(&kept))
}

/// Why old runs were not forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PruneError {
    /// The journals cannot be read.
    #[error("{}", .0.message)]
    Read(barque_event::Failure),
    /// A file cannot be written or removed.
    #[error("old journals cannot be removed: {0}")]
    Io(#[from] io::Error),
}

impl From<PruneError> for barque_event::Failure {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Read(failure) => failure,
            PruneError::Io(_) => Self::new(error.to_string()),
        }
    }
}

/// Replaces the base durably.
fn write(directory: &Path, base: &Base) -> io::Result<()> {
    let (target, temporary) = (base::place(directory), directory.join(".base.json.new"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(base)?)?;
    file.sync_all()?;
    fs::rename(&temporary, &target)?;
    fs::File::open(directory)?.sync_all()
}

/// What the ledger and the journals that are kept can ask for.
pub(super) fn needed(kept: &History) -> Needed {
    let mut needed = Needed::default();
    let mut add = |resource: &Resource, prior: &Prior| {
        needed.blobs.extend(resource.blobs().into_iter().map(|blob| blob.digest));
        match prior {
            Prior::File { digest, .. } => drop(needed.prior.insert(*digest)),
            Prior::Link { target } => needed.blobs.extend(stored(target)),
            Prior::Image { digest } => needed.blobs.extend(*digest),
            _ => {}
        }
    };
    for LedgerEntry { resource, original, .. } in kept.base.entries.iter().chain(&Ledger::fold(kept).entries()) {
        add(resource, original);
    }
    for record in kept.journals.iter().flat_map(|(_, records)| records) {
        match record {
            Record::Intent { resource, prior, .. } => add(resource, prior),
            Record::Restore { resource, prior, target, .. } => {
                add(resource, prior);
                add(resource, target);
            }
            _ => {}
        }
    }
    needed
}

/// The content of the store that a link leads to.
fn stored(target: &str) -> Option<Digest> {
    target.strip_prefix(barque_host::STORE_DIRECTORY)?.strip_prefix('/')?.parse().ok()
}
