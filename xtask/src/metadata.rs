//! The part of `cargo metadata` that matters here.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::run;

/// What `cargo metadata` answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The packages of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// What its manifest asks for.
    pub(crate) dependencies: Vec<Dependency>,
    /// What is compiled of it.
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

/// One library, program, test or example.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// What it is: `lib`, `bin`, `test` and so on.
    pub(crate) kind: Vec<String>,
    /// Features without which it is not compiled.
    #[serde(default)]
    pub(crate) required_features: Vec<String>,
}

/// One line under `[dependencies]` or its like.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// Name of the package wanted.
    pub(crate) name: String,
    /// `None` is an ordinary one.
    pub(crate) kind: Option<DependencyKind>,
    /// Behind a feature.
    pub(crate) optional: bool,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DependencyKind {
    /// Tests.
    Dev,
    /// `build.rs`.
    Build,
}

/// Reads the packages of this workspace.
pub(crate) fn read() -> Result<Metadata> {
    let text = run::output(&mut run::cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_str(&text).context("cannot read the answer of `cargo metadata`")
}
