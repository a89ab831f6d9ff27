//! Opens the bundle that is meant.

use std::path::{Path, PathBuf};

use anyhow::Result;
use barque_bundle::Bundle;
use barque_engine::EngineError;

use super::registry::local;
use crate::arguments::BundleArguments;
use crate::settings;

/// Where it is.
pub(super) fn path(arguments: &BundleArguments) -> PathBuf {
    arguments.path.as_ref().or(arguments.bundle.as_ref()).cloned().unwrap_or_else(settings::default_bundle)
}

/// Opens a bundle; the error has its hint.
pub(super) fn open(path: &Path) -> Result<Bundle> {
    local(path)?;
    Ok(Bundle::open(path).map_err(EngineError::from)?)
}
