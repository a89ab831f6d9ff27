//! Recipes: `recipes/<component>-<version>/` with `recipe.toml`, `go.mod`, a complete `go.sum` and, rarely, Go files.
//!
//! A complete `go.sum` is the point: nothing asks the checksum database, and the bytes of every module are pinned.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use fs_err as fs;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::ArtifactError;
use super::pages::Pages;

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recipes.tar.gz"));

/// What every recipe has, in the order in which a key takes it; other files follow.
const ALWAYS: [&str; 3] = ["recipe.toml", "go.mod", "go.sum"];

/// Every recipe: the folders of `recipes/` with `recipe.toml`.
static RECIPES: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
    let folders = barque_embed::unpack(PACKED).expect("the build script packed it");
    folders.into_iter().filter(|(_, files)| files.contains_key(ALWAYS[0])).map(|(folder, files)| Recipe::of(folder, files)).collect()
});

/// One embedded recipe.
#[derive(Debug)]
pub(super) struct Recipe {
    /// `<component>-<version>`.
    pub(super) folder: String,
    files: Vec<(String, String)>,
}

/// `recipe.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Whether C is linked in.
    pub(super) cgo: bool,
    /// Build tags.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Linker flags.
    pub(super) ldflags: String,
    /// Name in the bundle to Go package.
    pub(super) programs: BTreeMap<String, String>,
    /// Web pages that programs carry.
    pub(super) pages: Option<Pages>,
}

impl Recipe {
    fn of(folder: String, mut files: BTreeMap<String, String>) -> Self {
        let mut ordered: Vec<_> = ALWAYS.iter().filter_map(|name| files.remove_entry(*name)).collect();
        ordered.extend(files);
        Self { folder, files: ordered }
    }

    /// The recipe of a component at a version.
    pub(super) fn find(component: &str, version: &str) -> Option<&'static Self> {
        let folder = format!("{component}-{version}");
        RECIPES.iter().find(|recipe| recipe.folder == folder)
    }

    /// Names the versions that have a recipe, for people.
    pub(super) fn known_versions(component: &str) -> String {
        let versions: Vec<_> = RECIPES
            .iter()
            .filter_map(|recipe| recipe.folder.rsplit_once('-').filter(|(name, _)| *name == component).map(|(_, version)| version))
            .collect();
        if versions.is_empty() { "it has none at all".to_owned() } else { format!("only for {}", versions.join(", ")) }
    }

    /// Reads `recipe.toml`.
    pub(super) fn settings(&self) -> Result<Settings, ArtifactError> {
        toml::from_str(self.file("recipe.toml"))
            .map_err(|source| ArtifactError::BadRecipe { recipe: self.folder.clone(), source: Box::new(source) })
    }

    /// The oldest Go that can build it, such as `1.26.0`: the `go` line of `go.mod`.
    pub(super) fn go_version(&self) -> &str {
        self.file("go.mod").lines().find_map(|line| line.strip_prefix("go ")).map_or("1.0", str::trim)
    }

    /// Names the outcome of the recipe with a given Go: twelve hexadecimal digits over all its files and the Go version.
    pub(super) fn key(&self, go_version: &str) -> String {
        let mut hasher = Sha256::new();
        for (name, content) in &self.files {
            // Lengths in between: no two lists of files run together to the same bytes.
            hasher.update(format!("{name} {}\n", content.len()));
            hasher.update(content);
        }
        hasher.update(go_version);
        hasher.update(super::go::FIXED_FLAGS.join(" "));
        hex::encode(&hasher.finalize()[..6])
    }

    /// Writes its files into `folder`.
    pub(super) fn write_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for (name, content) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, content)?;
        }
        Ok(())
    }

    fn file(&self, wanted: &str) -> &str {
        self.files.iter().find(|(name, _)| name == wanted).map_or("", |(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_recipe_is_sound() {
        assert!(RECIPES.iter().any(|recipe| recipe.folder == "kubernetes-1.37.2"));
        for recipe in &*RECIPES {
            let settings = recipe.settings().unwrap();
            assert!(!settings.programs.is_empty(), "{}", recipe.folder);
            assert_eq!(settings.cgo, settings.ldflags.contains("-extldflags -static"), "{}: cgo must link statically", recipe.folder);
            assert!(recipe.go_version().starts_with("1."), "{}", recipe.folder);
            let (_, version) = recipe.folder.rsplit_once('-').unwrap();
            // Modules that are numbered otherwise than what is made of them.
            let version = [("prometheus-3.16.0", "0.316.0")]
                .into_iter()
                .find(|(folder, _)| **folder == recipe.folder)
                .map_or(version, |(_, module)| module);
            if settings.programs.values().any(|package| package != ".") {
                assert!(recipe.file("go.mod").contains(&format!(" v{version}\n")), "{}", recipe.folder);
                assert!(recipe.file("go.sum").contains(&format!(" v{version} h1:")), "{}", recipe.folder);
            }
            if let Some(pages) = settings.pages {
                assert!(recipe.file("go.mod").contains(&format!("\t{} v{version}\n", pages.module)), "{}", recipe.folder);
                let lock = recipe.file("pages/package-lock.json");
                assert!(lock.contains("\"integrity\": \"sha512-") && !lock.contains("\"resolved\""), "{}: no host is named", recipe.folder);
            }
        }
    }

    #[test]
    fn keys_follow_content_and_go() {
        let etcd = Recipe::find("etcd", "3.6.14").unwrap();
        let runc = Recipe::find("runc", "1.5.2").unwrap();
        assert_eq!(etcd.key("go1.26.8"), etcd.key("go1.26.8"));
        assert_ne!(etcd.key("go1.26.8"), etcd.key("go1.26.9"));
        assert_ne!(etcd.key("go1.26.8"), runc.key("go1.26.8"));
        assert!(Recipe::find("etcd", "3.6.15").is_none());
        assert_eq!(Recipe::known_versions("etcd"), "only for 3.6.14");
        assert_eq!(Recipe::known_versions("flannel"), "only for 0.28.10", "flannel-cni is another component");
    }
}
