//! Writes `catalog/help/COMPONENT/MINOR.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use barque_catalog::Minor;
use barque_model::Version;
use fs_err as fs;

use super::build;
use super::help::{Flag, flags};
use crate::run::{command, root};

/// Programs of Kubernetes whose flags are recorded.
const KUBERNETES: [&str; 5] = ["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"];

/// Fewer flags than any of the programs has: a help that was not understood.
const FEWEST: usize = 20;

/// Records the flags of a Kubernetes release: of the programs in a folder, or of such as are built first. etcd and flanneld are recorded too
/// when the folder has them.
pub(crate) fn run(version: Version, programs: Option<&Path>) -> Result<()> {
    let folder = match programs {
        Some(folder) => fs::canonicalize(folder)?,
        None => build::programs(version, &KUBERNETES, &root().join(format!("target/flags/{version}")))?,
    };
    for program in KUBERNETES {
        record(&folder, program, version)?;
    }
    let release = barque_catalog::release(&version).ok();
    for (program, version) in
        [("etcd", release.as_ref().map(|release| release.etcd)), ("flanneld", release.as_ref().map(|release| release.flannel))]
    {
        if let Some(version) = version.filter(|_| folder.join(program).is_file()) {
            record(&folder, program, version)?;
        }
    }
    Ok(())
}

fn record(folder: &Path, program: &str, version: Version) -> Result<()> {
    let output = command(folder.join(program), &["--help"]).output().with_context(|| format!("cannot start `{program} --help`"))?;
    // flanneld writes its help to standard error and ends as after a wrong flag.
    let text = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let found = flags(&text);
    if found.len() < FEWEST {
        bail!("`{program} --help` of {version} has {} flags only; look at what it prints", found.len());
    }
    let path = root().join(format!("catalog/help/{program}/{}.txt", Minor::of(version)));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, lines(program, version, &found))?;
    println!("{}: {} flags", path.display(), found.len());
    Ok(())
}

/// A line per flag: name, type, default and `deprecated`, with tabs between them.
fn lines(program: &str, version: Version, found: &BTreeMap<String, Flag>) -> String {
    let mut text = format!("# {program} {version} --help: name, type, default, deprecated.\n");
    for (name, flag) in found {
        let line = format!("{name}\t{}\t{}\t{}", flag.kind, flag.default, if flag.is_deprecated { "deprecated" } else { "" });
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_per_flag_in_order() {
        let found = flags("      --b string   words (default \"x\")\n      --a     words (DEPRECATED: no)\n");
        let text = lines("kubelet", Version::new(1, 33, 2), &found);
        assert_eq!(text, "# kubelet 1.33.2 --help: name, type, default, deprecated.\na\tbool\t\tdeprecated\nb\tstring\tx\n");
    }
}
