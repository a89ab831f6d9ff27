//! The static binary and its budgets.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use crate::elf;
use crate::run::{self, root};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Every host gets a copy, so every megabyte counts as many times as there are hosts.
const SIZE_BUDGET: u64 = 36_000_000;

/// Crates compiled into the binary, ours included. Raising it is a decision to be explained in the commit.
const CRATE_BUDGET: usize = 470;

/// `barque --version` within this; printed, not enforced: a busy machine is no fault of the code.
const START_TARGET: Duration = Duration::from_millis(10);

/// Starts that are timed; the quickest counts.
const STARTS: u32 = 20;

/// How it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What users get.
    Release,
    /// Compiles fast, incremental.
    Quick,
}

/// Where the binary is put.
pub(crate) fn binary() -> PathBuf {
    root().join("target/dist/barque")
}

/// Builds, measures, prints; fails over budget.
pub(crate) fn run(profile: Profile) -> Result<()> {
    let (name, folder) = match profile {
        Profile::Release => ("release", "release"),
        Profile::Quick => ("quick", "quick"),
    };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut build = run::cargo(&["build", "--locked", "--package", "barque", "--target", TARGET, "--profile", name]);
    run::check(build.arg("--target-dir").arg(&target))?;
    let built = target.join(TARGET).join(folder).join("barque");
    let program = fs::read(&built)?;
    if !elf::is_static(&program)? {
        bail!("`{}` needs a dynamic loader; is musl-tools installed and `+crt-static` set in .cargo/config.toml?", built.display());
    }
    install(&built)?;
    if profile == Profile::Quick {
        println!("target/dist/barque: {} (profile quick), static", megabytes(program.len() as u64));
        return Ok(());
    }
    let crates = crate_count()?;
    let start = quickest_start()?;
    println!("target/dist/barque, static, {TARGET}");
    println!("  size            {:>9}  budget {}", megabytes(program.len() as u64), megabytes(SIZE_BUDGET));
    println!("  crates          {crates:>9}  budget {CRATE_BUDGET}");
    println!("  --version    {:>9.1} ms  target {} ms", start.as_secs_f64() * 1000.0, START_TARGET.as_millis());
    if program.len() as u64 > SIZE_BUDGET {
        bail!("the binary is over its size budget; `cargo tree -p barque -e normal` shows what is in it");
    }
    if crates > CRATE_BUDGET {
        bail!("the binary is over its budget of crates; `cargo tree -p barque -e normal` shows them");
    }
    Ok(())
}

/// Renames a copy over the old binary, which may be running.
fn install(built: &PathBuf) -> Result<()> {
    let binary = binary();
    let folder = binary.parent().context("the binary has no folder")?;
    fs::create_dir_all(folder)?;
    let fresh = folder.join("barque.new");
    fs::copy(built, &fresh)?;
    fs::rename(&fresh, &binary)?;
    Ok(())
}

fn crate_count() -> Result<usize> {
    let arguments =
        ["tree", "--locked", "--package", "barque", "--target", TARGET, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    Ok(distinct(&run::output(&mut run::cargo(&arguments))?))
}

/// Different lines; `(*)` marks a repetition.
fn distinct(tree: &str) -> usize {
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty());
    lines.collect::<BTreeSet<_>>().len()
}

/// The shortest time that `barque --version` took in a number of starts.
pub(crate) fn quickest_start() -> Result<Duration> {
    let mut quickest = Duration::MAX;
    for _ in 0..STARTS {
        let begun = Instant::now();
        run::output(&mut run::command(binary(), &["--version"]))?;
        quickest = quickest.min(begun.elapsed());
    }
    Ok(quickest)
}

/// In units of a million bytes, rounded up in the last digit so that a value over budget never looks like the budget.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up() {
        assert_eq!(megabytes(25_000_000), "25.0 MB");
        assert_eq!(megabytes(25_000_001), "25.1 MB");
        assert_eq!(megabytes(0), "0.0 MB");
    }

    #[test]
    fn repeated_crates_count_once() {
        assert_eq!(distinct("barque v0.1.0 (/x)\nserde v1.0.0\nserde v1.0.0 (*)\nserde v0.9.0\n\n"), 3);
    }
}
