//! `barque lab artifacts`: the real components, obtained once per machine.

use std::path::Path;

use anyhow::{Context as _, Result};
use barque_lab::artifacts::{Progress, Request, ensure};
use barque_lab::hosts::rootfs;

use crate::terminal::note;

/// Obtains what is missing for the newest release of the catalog.
pub(crate) fn run(cache: &Path) -> Result<()> {
    let version = barque_catalog::supported().into_iter().max().context("the release catalog is empty")?;
    let release = barque_catalog::release(&version)?;
    // Packages are resolved against a minimal host, so that exactly what it lacks is carried.
    let minimal_root = rootfs::ensure(cache, &|_| {})?;
    let request = Request { cache, release: &release, minimal_root: Some(&minimal_root) };
    let bundle = told(|tell| Ok(ensure(request, tell)?))?;
    let bytes: u64 = bundle.artifacts().iter().map(|artifact| artifact.compressed_size).sum();
    note(&format!("bundle `{}`: {} artifacts, {} MB", bundle.root().display(), bundle.artifacts().len(), bytes / 1_000_000))
}

/// Tells how the work goes on, a line for each thing that is not there yet.
pub(crate) fn told<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T>) -> Result<T> {
    let mut reported = Ok(());
    let done = work(&mut |progress| {
        let line = match progress {
            Progress::Waiting => "waiting for another barque that obtains artifacts".to_owned(),
            Progress::OutOfReach { origin } => format!("{origin}: downloads are out of reach"),
            Progress::Started { item } => format!("{item} ..."),
            Progress::Finished { item, seconds, source } => format!("{item}: {seconds:.1} s, {source}"),
            Progress::Present { .. } => return,
        };
        if reported.is_ok() {
            reported = note(&line);
        }
    })?;
    reported?;
    Ok(done)
}
