//! Finds a Go that is new enough, or gets one as a module.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use serde::Deserialize;

use super::ArtifactError;
use super::command::run;
use super::copy::copy_folder;
use super::error::io_error;

/// The Go that is fetched where this machine's is missing or too old. Every recipe was built with it.
const PINNED: &str = "go1.26.8";

/// A Go toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    program: PathBuf,
    root: Option<PathBuf>,
    /// Such as `go1.26.8`.
    pub(super) version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: PathBuf,
}

impl Toolchain {
    /// Finds `program` (normally `go`) and asks for its version; `None` if it is not installed.
    pub(super) fn installed(program: &Path) -> Result<Option<Self>, ArtifactError> {
        let mut found = Self { program: program.to_owned(), root: None, version: String::new() };
        match run(found.command().args(["env", "GOVERSION"])) {
            Ok(output) => {
                String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut found.version);
                Ok(Some(found))
            }
            Err(ArtifactError::ProgramMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The version that [`Toolchain::choose`] will answer, found out without fetching anything.
    pub(super) fn version_for(installed: Option<&Self>, wanted: &str) -> String {
        match installed {
            Some(toolchain) if toolchain.is_at_least(wanted) => toolchain.version.clone(),
            _ => PINNED.to_owned(),
        }
    }

    /// The installed toolchain if it is at least `wanted` (`1.26.0`), else the pinned one, which is kept below `cache`.
    pub(super) fn choose(installed: Option<&Self>, wanted: &str, cache: &Path) -> Result<Self, ArtifactError> {
        match installed {
            Some(toolchain) if toolchain.is_at_least(wanted) => Ok(toolchain.clone()),
            _ => Self::pinned(installed, cache),
        }
    }

    /// `go` with an environment in which nothing of this machine but its proxy, caches and checksum settings counts.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env_remove("GOROOT");
        // A value, as an empty one would let `go env -w` speak; v1 runs on every x86-64 host.
        command.env("GOFLAGS", "-buildvcs=false").env("GOOS", "linux").env("GOARCH", go_architecture()).env("GOAMD64", "v1");
        if let Some(root) = &self.root {
            command.env("GOROOT", root);
        }
        command
    }

    /// Fetches a module by name and version, or one that `go.mod` of the folder `of` requires by its name alone, and answers where it lies in Go's cache, read-only.
    pub(super) fn module(&self, of: &Path, module: &str) -> Result<PathBuf, ArtifactError> {
        let output = run(self.command().current_dir(of).args(["mod", "download", "-json", module]))?;
        let Downloaded { dir } =
            serde_json::from_slice(&output.stdout).map_err(io::Error::from).map_err(io_error("read the answer of `go mod download`"))?;
        Ok(dir)
    }

    fn is_at_least(&self, wanted: &str) -> bool {
        numbers(self.version.trim_start_matches("go")) >= numbers(wanted)
    }

    fn pinned(installed: Option<&Self>, cache: &Path) -> Result<Self, ArtifactError> {
        let root = cache.join("toolchain").join(PINNED);
        let pinned = Self { program: root.join("bin/go"), root: Some(root.clone()), version: PINNED.to_owned() };
        if root.is_dir() {
            return Ok(pinned);
        }
        let parent = cache.join("toolchain");
        fs::create_dir_all(&parent).map_err(io_error("create the folder of the Go toolchain"))?;
        let work = tempfile::tempdir_in(&parent).map_err(io_error("create a folder for the Go toolchain"))?;
        let seed = match installed {
            Some(toolchain) => toolchain.clone(),
            None => debian(work.path())?,
        };
        let module = format!("golang.org/toolchain@v0.0.1-{PINNED}.linux-{}", go_architecture());
        let dir = seed.module(work.path(), &module)?;
        let copy = work.path().join("toolchain");
        copy_folder(&dir, &copy, mode).map_err(io_error("copy the Go toolchain"))?;
        fs::rename(&copy, &root).map_err(io_error("put the Go toolchain in place"))?;
        Ok(pinned)
    }
}

/// Unpacks Debian's own Go, which is old but can fetch modules, without installing it.
fn debian(work: &Path) -> Result<Toolchain, ArtifactError> {
    let folder = work.join("debian");
    fs::create_dir_all(&folder).map_err(io_error("create a folder for Debian's Go"))?;
    let depends = |package: &str, suffix: &str| -> Result<String, ArtifactError> {
        let output = run(Command::new("apt-cache").args(["depends", "--important", package]))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        let found = names.map(str::trim).find(|name| name.starts_with("golang-1.") && name.ends_with(suffix));
        found.map(str::to_owned).ok_or_else(|| ArtifactError::ProgramMissing { program: "go".to_owned() })
    };
    let compiler = depends("golang-go", "-go")?;
    let sources = depends(&compiler, "-src")?;
    run(Command::new("apt-get").current_dir(&folder).args(["-o", "APT::Sandbox::User=root", "download", &compiler, &sources]))?;
    for entry in fs::read_dir(&folder).map_err(io_error("list Debian's Go"))? {
        let path = entry.map_err(io_error("list Debian's Go"))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&folder))?;
        }
    }
    // The package `golang-1.19-go` has its root in `/usr/lib/go-1.19`.
    let root = folder.join(format!("usr/lib/go-{}", compiler.trim_start_matches("golang-").trim_end_matches("-go")));
    Ok(Toolchain { program: root.join("bin/go"), root: Some(root), version: compiler })
}

/// Programs can be run, other files not.
fn mode(path: &Path) -> u32 {
    let mut folders = path.iter().rev().skip(1);
    let is_program = folders.next().is_some_and(|name| name == "bin");
    let is_tool = folders.next().is_some_and(|name| name == "tool");
    if is_program || is_tool { 0o755 } else { 0o644 }
}

fn numbers(version: &str) -> Vec<u32> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    version.split('.').map(digits).collect()
}

fn go_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn toolchain(version: &str) -> Toolchain {
        Toolchain { program: "go".into(), root: None, version: version.into() }
    }

    #[test]
    fn compares_versions_as_numbers() {
        assert!(toolchain("go1.26.8").is_at_least("1.26.0"));
        assert!(toolchain("go1.26.8").is_at_least("1.9"));
        assert!(toolchain("go1.27rc1").is_at_least("1.26.8"));
        assert!(!toolchain("go1.26.8").is_at_least("1.26.10"));
        assert!(!toolchain("go1.19.8").is_at_least("1.26.0"));
    }

    #[test]
    fn takes_the_pinned_one_only_when_needed() {
        let (new, old) = (toolchain("go1.27.1"), toolchain("go1.19.8"));
        assert_eq!(Toolchain::version_for(Some(&new), "1.26.0"), "go1.27.1");
        assert_eq!(Toolchain::version_for(Some(&old), "1.26.0"), PINNED);
        assert_eq!(Toolchain::version_for(None, "1.26.0"), PINNED);
        assert_eq!(Toolchain::choose(Some(&new), "1.26.0", Path::new("/nonexistent")).unwrap(), new);
        assert_eq!(Toolchain::installed(Path::new("no-such-go")).unwrap(), None);
    }

    /// About 70 MB through the module proxy and Debian's mirror.
    #[cfg(feature = "e2e")]
    #[test]
    fn gets_a_toolchain_without_any_go() {
        let cache = tempfile::tempdir().unwrap();
        let toolchain = Toolchain::choose(None, "1.26.0", cache.path()).unwrap();
        let output = run(toolchain.command().arg("version")).unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(PINNED));
        // A second time it is there already.
        assert_eq!(Toolchain::choose(None, "1.26.0", cache.path()).unwrap(), toolchain);
    }
}
