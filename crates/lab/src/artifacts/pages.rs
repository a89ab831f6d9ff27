//! Web pages that a program carries and that its Go module has as source only: built with pnpm, and laid into a copy of the module.
//!
//! Nothing but npm is taken from this machine. pnpm and Node.js come from the npm registry, held to the checksums of the recipe's own
//! `package-lock.json`; what the pages are made of is held to those of the module's `pnpm-lock.yaml`, and the module to those of `go.sum`.
//! No package runs a script of its own while it is installed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, GzBuilder};
use fs_err as fs;
use serde::Deserialize;

use super::ArtifactError;
use super::command::run;
use super::copy::copy_folder;
use super::error::io_error;
use super::toolchain::Toolchain;

/// Part `[pages]` of `recipe.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// The Go module, in the version of `go.mod`.
    pub(super) module: String,
    /// A pnpm workspace in it.
    folder: String,
    /// Packages of the workspace, in the order in which they are built.
    packages: Vec<String>,
    /// The folder that the last of them fills, from `folder`.
    output: String,
    /// The folder that the program takes in, from `folder`.
    target: String,
    /// What is written otherwise than the module has it.
    #[serde(default)]
    replace: Vec<Replacement>,
}

/// Words of a file that are exchanged. They must be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    /// From the folder of [`Pages`].
    file: String,
    from: String,
    to: String,
}

/// Where the copy of the module lies below the folder of a recipe.
const COPY: &str = "module";

/// Makes `go.mod` in `folder`, where a recipe has been written, mean a copy of the module that has its pages. Does nothing a second time.
pub(super) fn prepare(toolchain: &Toolchain, pages: &Pages, folder: &Path) -> Result<(), ArtifactError> {
    let copy = folder.join(COPY);
    if !copy.is_dir() {
        let work = tempfile::tempdir_in(folder).map_err(io_error("create a folder for pages"))?;
        let module = work.path().join(COPY);
        copy_folder(&toolchain.module(folder, &pages.module)?, &module, |_| 0o644).map_err(io_error("copy a module with pages"))?;
        pages.build(&module.join(&pages.folder), &folder.join("pages"), work.path())?;
        fs::rename(&module, &copy).map_err(io_error("put a module with pages in place"))?;
    }
    run(toolchain.command().current_dir(folder).args(["mod", "edit", "-replace", &format!("{}=./{COPY}", pages.module)]))?;
    Ok(())
}

impl Pages {
    /// Builds the pages of `workspace` with the tools whose lock lies in `lock`.
    fn build(&self, workspace: &Path, lock: &Path, work: &Path) -> Result<(), ArtifactError> {
        for replacement in &self.replace {
            replacement.apply(workspace).map_err(io_error(format!("change `{}` of {}", replacement.file, self.module)))?;
        }
        let tools = Tools::install(lock, work)?;
        let store = work.join("store");
        run(tools.pnpm(workspace).args(["install", "--frozen-lockfile", "--ignore-scripts", "--store-dir"]).arg(store))?;
        for package in &self.packages {
            run(tools.pnpm(workspace).args(["--filter", package, "run", "build"]))?;
        }
        embed(&workspace.join(&self.output), workspace, &self.target).map_err(io_error(format!("take in the pages of {}", self.module)))
    }
}

impl Replacement {
    fn apply(&self, workspace: &Path) -> io::Result<()> {
        let path = workspace.join(&self.file);
        let text = fs::read_to_string(&path)?;
        if !text.contains(&self.from) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is not in it", self.from)));
        }
        fs::write(path, text.replace(&self.from, &self.to))
    }
}

/// Node.js and pnpm.
struct Tools {
    /// The folder of Node.js.
    node: PathBuf,
    /// The folder `node_modules`.
    modules: PathBuf,
}

impl Tools {
    fn install(lock: &Path, work: &Path) -> Result<Self, ArtifactError> {
        let folder = work.join("tools");
        let copy = || {
            fs::create_dir(&folder)?;
            ["package.json", "package-lock.json"].iter().try_for_each(|name| fs::copy(lock.join(name), folder.join(name)).map(drop))
        };
        copy().map_err(io_error("write the list of tools for pages"))?;
        run(Command::new("npm").current_dir(&folder).args(["ci", "--ignore-scripts", "--no-fund", "--no-audit"]))?;
        let modules = folder.join("node_modules");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        Ok(Self { node: modules.join(format!("node-linux-{architecture}/bin")), modules })
    }

    /// pnpm with the Node.js that it came with; so do the scripts that it runs.
    fn pnpm(&self, workspace: &Path) -> Command {
        let mut command = Command::new(self.node.join("node"));
        let mut path = self.node.clone().into_os_string();
        path.push(":");
        path.push(self.modules.join(".bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        // Its errors go to standard output otherwise, where nobody would see them.
        command.arg(self.modules.join("pnpm/bin/pnpm.cjs")).arg("--use-stderr").current_dir(workspace);
        command.env("PATH", path).env("CI", "true").env_remove("NODE_OPTIONS");
        command
    }
}

/// Lays the files of `built`, compressed, below `target` of the Go package in `package`, and writes the `embed.go` that takes them in: what
/// `scripts/compress_assets.sh` of Prometheus 3.16 does.
fn embed(built: &Path, package: &Path, target: &str) -> io::Result<()> {
    let mut names = Vec::new();
    compress(built, package, target, &mut names)?;
    names.sort();
    let template = fs::read_to_string(package.join("embed.go.tmpl"))?;
    fs::write(package.join("embed.go"), format!("{template}\n//go:embed {}\nvar EmbedFS embed.FS\n", names.join(" ")))
}

fn compress(from: &Path, package: &Path, to: &str, names: &mut Vec<String>) -> io::Result<()> {
    fs::create_dir_all(package.join(to))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            compress(&entry.path(), package, &name, names)?;
            continue;
        }
        let name = format!("{name}.gz");
        // Without a time: the same pages are the same bytes.
        let mut file = GzBuilder::new().mtime(0).write(fs::File::create(package.join(&name))?, Compression::best());
        file.write_all(&fs::read(entry.path())?)?;
        file.finish()?;
        names.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn pages_are_compressed_and_named_in_order() {
        let work = tempfile::tempdir().unwrap();
        let built = work.path().join("dist");
        fs::create_dir_all(built.join("assets")).unwrap();
        fs::write(built.join("index.html"), "<title>pages</title>").unwrap();
        fs::write(built.join("assets/b.js"), "b").unwrap();
        fs::write(built.join("assets/a.css"), "a").unwrap();
        fs::write(work.path().join("embed.go.tmpl"), "package ui\n").unwrap();
        embed(&built, work.path(), "static/new").unwrap();
        let go = fs::read_to_string(work.path().join("embed.go")).unwrap();
        assert_eq!(
            go,
            "package ui\n\n//go:embed static/new/assets/a.css.gz static/new/assets/b.js.gz static/new/index.html.gz\nvar EmbedFS embed.FS\n"
        );
        let mut text = String::new();
        let page = fs::File::open(work.path().join("static/new/index.html.gz")).unwrap();
        flate2::read::GzDecoder::new(page).read_to_string(&mut text).unwrap();
        assert_eq!(text, "<title>pages</title>");
    }

    #[test]
    fn words_that_are_not_there_are_no_change() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join("lock"), "a: 1\n").unwrap();
        let replacement = |from: &str| Replacement { file: "lock".into(), from: from.into(), to: "a: 2".into() };
        assert!(replacement("b: 1").apply(work.path()).unwrap_err().to_string().contains("`b: 1` is not in it"));
        replacement("a: 1").apply(work.path()).unwrap();
        assert_eq!(fs::read_to_string(work.path().join("lock")).unwrap(), "a: 2\n");
    }
}
