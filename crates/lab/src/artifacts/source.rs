//! Where programs come from.

use std::path::{Path, PathBuf};

use barque_bundle::Architecture;

use super::recipe::Recipe;
use super::toolchain::Toolchain;
use super::{ArtifactError, Progress, go};

/// A program that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Name of the component.
    pub(super) component: &'a str,
    /// Its version.
    pub(super) version: &'a str,
    /// Name of the program in the bundle.
    pub(super) program: &'a str,
    /// For which processor.
    pub(super) architecture: Architecture,
}

/// A program that was got, and its origin as the manifest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Where it lies; good until the run's work folder goes.
    pub(super) path: PathBuf,
    /// A URL, or the name of a recipe with its key.
    pub(super) source: String,
}

/// One way to come by programs. The ways are tried in order.
pub(super) trait Source {
    /// Gets a program below the folder `work`; `None` where this source does not have it.
    fn fetch(&mut self, wanted: Wanted<'_>, work: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Option<Fetched>, ArtifactError>;
}

/// Builds by recipe, on this machine and for it.
#[derive(Debug)]
pub(super) struct Recipes {
    /// The `go` of this machine.
    pub(super) installed: Option<Toolchain>,
    /// Where a fetched toolchain is kept.
    pub(super) cache: PathBuf,
}

impl Recipes {
    /// The key that a build of this component would have now; `None` without a recipe.
    pub(super) fn key(&self, component: &str, version: &str) -> Option<String> {
        let recipe = Recipe::find(component, version)?;
        Some(recipe.key(&Toolchain::version_for(self.installed.as_ref(), recipe.go_version())))
    }
}

impl Source for Recipes {
    fn fetch(&mut self, wanted: Wanted<'_>, work: &Path, _: &mut dyn FnMut(Progress)) -> Result<Option<Fetched>, ArtifactError> {
        let Some(recipe) = Recipe::find(wanted.component, wanted.version) else { return Ok(None) };
        let toolchain = Toolchain::choose(self.installed.as_ref(), recipe.go_version(), &self.cache)?;
        let path = go::build(&toolchain, recipe, wanted.program, work)?;
        let source = format!("recipe {}, {}, key {}", recipe.folder, toolchain.version, recipe.key(&toolchain.version));
        Ok(Some(Fetched { path, source }))
    }
}
