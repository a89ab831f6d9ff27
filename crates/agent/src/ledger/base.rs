//! All that a host's journals tell, with what is left of those that were pruned.

use std::io;
use std::path::{Path, PathBuf};

use barque_event::Failure;
use barque_host::HostContext;
use barque_model::RunId;
use barque_plan::{LedgerEntry, ObjectEntry};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::Record;
use crate::journal::{names, read_journal};

/// Version of [`Base`].
pub(super) const FORMAT: u32 = 1;

/// What the journals of pruned runs came to: `/var/lib/barque/journal/base.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Base {
    /// Version of this format.
    pub(super) format: u32,
    /// The first run that was ever pruned.
    pub(super) oldest: Option<RunId>,
    /// The runs that were folded in last. A crash may have left their journals behind; they count once.
    pub(super) folded: Vec<RunId>,
    /// What barque managed after them.
    pub(super) entries: Vec<LedgerEntry>,
    /// Cluster objects that this host's agent changed, as they were after them.
    #[serde(default)]
    pub(super) objects: Vec<ObjectEntry>,
}

impl Default for Base {
    fn default() -> Self {
        Self { format: FORMAT, oldest: None, folded: Vec::new(), entries: Vec::new(), objects: Vec::new() }
    }
}

/// What the ledger is folded from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct History {
    /// What is left of pruned runs.
    pub(super) base: Base,
    /// The journals of the others, in the order of their runs.
    pub(super) journals: Vec<(RunId, Vec<Record>)>,
}

/// The base's file in the folder of the journals.
pub(super) fn place(directory: &Path) -> PathBuf {
    directory.join("base.json")
}

/// Reads the host's journals. Blocks.
pub(crate) fn read(context: &HostContext) -> Result<History, Failure> {
    let directory = context.state("journal");
    let unreadable = |error: io::Error| Failure::new(format!("the host's journals cannot be read: {error}"));
    let base = read_base(&place(&directory)).map_err(unreadable)?;
    if base.format > FORMAT {
        let message =
            format!("the host's journals were pruned by a newer barque (format {} of base.json; this one knows {FORMAT})", base.format);
        return Err(Failure::new(message).with_hint("update barque on this machine: `barque --version` tells which one it is"));
    }
    let mut journals = Vec::new();
    for run in names(&directory).map_err(unreadable)? {
        if !base.folded.contains(&run) {
            let records = read_journal(&directory, &run).map_err(unreadable)?;
            journals.push((run, records));
        }
    }
    Ok(History { base, journals })
}

fn read_base(path: &Path) -> io::Result<Base> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Base::default()),
        Err(error) => Err(error),
    }
}
