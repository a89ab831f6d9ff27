//! The part of a run's receipt that matters here.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;

/// What `barque up` wrote down about a run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// Steps that changed something.
    pub(crate) changed: u32,
    /// Milliseconds until the plan was known: connecting and observing.
    pub(crate) planned_millis: u64,
    /// Bytes of artifacts sent per host, as they went over the wire.
    pub(crate) sent: BTreeMap<String, u64>,
    /// Those that hosts fetched from each other instead, as they would count when sent.
    #[serde(default)]
    pub(crate) fetched: BTreeMap<String, u64>,
    /// The chain of steps that decided how long the run took.
    pub(crate) critical_path: Vec<PathStep>,
}

/// One step of the critical path.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PathStep {
    /// Its host; `None` for what concerns the whole cluster.
    pub(crate) host: Option<String>,
    /// Its title.
    pub(crate) title: String,
    /// Start, milliseconds after the plan was known.
    pub(crate) begin: u64,
    /// End.
    pub(crate) end: u64,
}

/// Reads the receipt in a run's folder.
pub(crate) fn read(run: &Path) -> Result<Receipt> {
    let path = run.join("receipt.json");
    serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("cannot read `{}`", path.display()))
}
