//! Builds the programs of a Kubernetes release from Go modules, for their help alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use barque_model::Version;
use fs_err as fs;
use serde::Deserialize;

use crate::run::{check, command, output};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    dir: PathBuf,
    go_mod: PathBuf,
}

/// Builds `programs` of `version` below `work` and answers the folder that holds them.
///
/// `k8s.io/kubernetes` requires its own parts at `v0.0.0`; a module of our own replaces each by its release and copies all other
/// requirements, so that no other version is picked. The lab's recipes pin every sum, which takes a recipe for each release; for a help text
/// the sums that Kubernetes publishes and Go's checksum database are enough.
pub(super) fn programs(version: Version, programs: &[&str], work: &Path) -> Result<PathBuf> {
    let module: Module =
        serde_json::from_str(&output(&mut command("go", &["mod", "download", "-json", &format!("k8s.io/kubernetes@v{version}")]))?)
            .context("`go mod download` answered something else than JSON")?;
    fs::create_dir_all(work)?;
    fs::write(work.join("go.mod"), scratch_module(&fs::read_to_string(&module.go_mod)?, version)?)?;
    // Written anew: the cached one is read-only, and go adds to it.
    fs::write(work.join("go.sum"), fs::read(module.dir.join("go.sum"))?)?;
    let folder = work.join("programs");
    for program in programs {
        let target = folder.join(program).display().to_string();
        let package = format!("k8s.io/kubernetes/cmd/{program}");
        let mut build = command("go", &["build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", &target, &package]);
        check(build.current_dir(work).env("CGO_ENABLED", "0"))?;
    }
    Ok(folder)
}

/// The go.mod of a module that can build Kubernetes, made from Kubernetes' own.
fn scratch_module(own: &str, version: Version) -> Result<String> {
    let mut requirements = String::new();
    let mut replacements = String::new();
    let mut heads = String::new();
    for line in own.lines().map(str::trim) {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.starts_with("go ") || line.starts_with("godebug ") {
            let _ = writeln!(heads, "{line}");
        }
        let line = line.strip_prefix("require ").unwrap_or(line);
        let Some((module, wanted)) = line.split_once(' ') else { continue };
        if !module.contains('.') || !wanted.starts_with('v') || wanted.contains(' ') {
            continue;
        }
        let _ = writeln!(requirements, "require {module} {wanted}");
        if module.starts_with("k8s.io/") && wanted == "v0.0.0" {
            let _ = writeln!(replacements, "replace {module} => {module} v0.{}.{}", version.minor, version.patch);
        }
    }
    if replacements.is_empty() {
        bail!("the go.mod of Kubernetes {version} requires no part of its own");
    }
    Ok(format!("module barque.invalid/flags\n\n{heads}\nrequire k8s.io/kubernetes v{version}\n{requirements}\n{replacements}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_of_kubernetes_are_replaced_and_all_else_is_copied() {
        let own = "module k8s.io/kubernetes\n\ngo 1.22.0\n\ngodebug default=go1.22\n\nrequire (\n\tgithub.com/a/b v1.2.3 // indirect\n\tk8s.io/api v0.0.0\n\tk8s.io/utils v0.0.0-2024\n)\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n";
        let text = scratch_module(own, Version::new(1, 31, 14)).unwrap();
        for line in [
            "go 1.22.0",
            "godebug default=go1.22",
            "require k8s.io/kubernetes v1.31.14",
            "require github.com/a/b v1.2.3",
            "require k8s.io/api v0.0.0",
            "replace k8s.io/api => k8s.io/api v0.31.14",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("staging") && !text.contains("replace k8s.io/utils"), "{text}");
        assert!(scratch_module("module x\n", Version::new(1, 31, 14)).is_err());
    }
}
