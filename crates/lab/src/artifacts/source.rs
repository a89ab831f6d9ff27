//! Where programs come from.

use std::path::{Path, PathBuf};

use barque_bundle::Architecture;

use super::recipe::Recipe;
use super::toolchain::Toolchain;
use super::{ArtifactError, Progress, go};

/// Where programs may come from, in a user's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// The projects' own downloads, each checked against the checksum that its publisher puts beside it.
    Official,
    /// A place with copies of them: `URL/dl.k8s.io/…` and `URL/github.com/…`, with the checksum files. Begins with `https://` or `file://`.
    Mirror(String),
    /// Built on this machine from Go modules, whose bytes the recipes pin.
    GoModules,
}

impl SourceChoice {
    /// Official downloads, and what they do not have is built.
    pub fn usual() -> Vec<Self> {
        vec![Self::Official, Self::GoModules]
    }
}

/// A word that is no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source; write `official`, `go-modules`, or the URL of a mirror, which begins with https:// or file://")]
pub struct UnknownSource(String);

impl std::str::FromStr for SourceChoice {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "official" => Ok(Self::Official),
            "go-modules" => Ok(Self::GoModules),
            url if url.starts_with("https://") || url.starts_with("file:///") => Ok(Self::Mirror(url.trim_end_matches('/').to_owned())),
            other => Err(UnknownSource(other.to_owned())),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::SourceChoice;

    #[test]
    fn words_and_urls_are_sources() {
        assert_eq!("official".parse(), Ok(SourceChoice::Official));
        assert_eq!("go-modules".parse(), Ok(SourceChoice::GoModules));
        assert_eq!("https://mirror.example/files/".parse(), Ok(SourceChoice::Mirror("https://mirror.example/files".into())));
        for bad in ["", "http://mirror.example", "Official", "file://x"] {
            assert!(bad.parse::<SourceChoice>().is_err(), "{bad}");
        }
    }
}
