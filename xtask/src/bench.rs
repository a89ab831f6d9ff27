//! `cargo xtask bench`: how long a cluster takes, beside the least that it could take on the same machine; what planning and going on after
//! a crash cost.

mod addons;
mod bundle;
mod check;
mod cluster;
mod floor;
mod interrupt;
mod kubectl;
mod lab;
mod machine;
mod measure;
mod plan;
mod receipt;
#[cfg(feature = "recorded")]
mod recorded;
mod report;
mod resume;
mod spread;
mod together;
mod transfer;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use crate::run::{self, root};
use crate::{dist, unpack};

use cluster::Cluster;
use interrupt::Interrupt;
use kubectl::Kubectl;
use lab::Lab;
use report::{Report, Run};

/// Measures `up` and its floor on `runs` labs, one after the other, and prints the tables as Markdown.
pub(crate) fn up(runs: u32, build: bool) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let Place { folder, _lock } = Place::prepare(build)?;
    let programs = folder.join("bin");
    unpack::programs(&programs, &["kubectl"])?;
    let machine = machine::describe()?;
    let version = run::output(&mut barque(&["--version"]))?.trim().to_owned();
    // The floor needs it on the hosts, minutes from now; a binary that is too old should say so at once.
    run::output(&mut barque(&["probe", "dns", "--help"]))?;
    let start = dist::quickest_start()?;
    let mut measured = Vec::new();
    for number in 1..=runs {
        step(&format!("run {number} of {runs}"));
        measured.push(one(&folder.join(format!("run-{number}")), &programs.join("kubectl"), &interrupt)?);
    }
    print!("{}", Report { machine, version, start, runs: measured }.markdown());
    Ok(())
}

/// The folder of benchmarks that use the lab, locked, with a binary and a bundle at hand.
struct Place {
    folder: PathBuf,
    _lock: fs::File,
}

impl Place {
    fn prepare(build: bool) -> Result<Self> {
        if build {
            // A build of its own, so that what it says does not get between the tables on standard output.
            let program = std::env::current_exe().context("cannot find the program of `cargo xtask`")?;
            run::check(run::command(program, &["dist"]).stdout(std::io::stderr()))?;
        } else if !dist::binary().is_file() {
            bail!("`{}` is not there; `cargo xtask dist` builds it", dist::binary().display());
        }
        let folder = root().join("target/bench");
        fs::create_dir_all(&folder)?;
        // Two at a time would measure each other and take away each other's lab.
        let lock = fs::File::create(folder.join("lock"))?;
        if lock.file().try_lock().is_err() {
            bail!("another benchmark runs on this machine");
        }
        run::check(barque(&["lab", "artifacts"]).stdout(std::io::stderr()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// A folder that is empty.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        fresh(&self.folder.join(name))
    }
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_path_buf())
}

/// Measures a deployment that is killed half-way and gone on with, and prints the table.
pub(crate) fn resume(build: bool) -> Result<()> {
    with_machine(build, "7 hosts, two labs, one after the other", resume::measure)
}

/// Measures looking at hosts and prints the table.
pub(crate) fn check(build: bool) -> Result<()> {
    with_machine(build, "7 hosts, and 200 addresses", check::measure)
}

/// Measures what add-ons cost and prints the tables.
pub(crate) fn addons(build: bool) -> Result<()> {
    with_machine(build, "7 hosts, one lab", addons::measure)
}

/// Measures making and verifying bundles and prints the table.
pub(crate) fn bundle(build: bool) -> Result<()> {
    with_machine(build, "no hosts", bundle::measure)
}

/// Measures what leaves the operator's machine and prints the table.
pub(crate) fn spread(build: bool) -> Result<()> {
    with_machine(build, "2, 7 and 20 hosts, one lab after the other", spread::measure)
}

/// Prints the machine, the version and the tables of `measure`.
fn with_machine(build: bool, scene: &str, measure: impl FnOnce(&Place, &Interrupt) -> Result<String>) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let place = Place::prepare(build)?;
    let machine = machine::describe()?;
    let version = run::output(&mut barque(&["--version"]))?.trim().to_owned();
    let table = measure(&place, &interrupt)?;
    print!("Machine: {machine}.\n\n{version}, {scene}.\n\n{table}");
    Ok(())
}

/// Measures planning alone and prints the table.
pub(crate) fn plan() -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let folder = fresh(&root().join("target/bench/plan"))?;
    let machine = machine::describe()?;
    let table = plan::measure(&folder, &interrupt)?;
    print!("Machine: {machine}.\n\n{table}");
    Ok(())
}

/// Plans for recorded hosts and prints what it took as JSON.
#[cfg(feature = "recorded")]
pub(crate) fn recorded(hosts: u16) -> Result<()> {
    println!("{}", serde_json::to_string(&recorded::measure(hosts)?)?);
    Ok(())
}

/// One lab: `up` on fresh hosts, `up` again, the bytes alone, the floor. The lab is removed whatever happens.
fn one(folder: &Path, kubectl: &Path, interrupt: &Interrupt) -> Result<Run> {
    fresh(folder)?;
    step("boot seven hosts");
    let lab = Lab::up(interrupt)?;
    let cluster = Cluster::new(&lab, folder)?;
    step("up on fresh hosts");
    let first = cluster.up("up", interrupt)?;
    step(&format!("up: {:.1} s; once more, with nothing to change", first.wall.as_secs_f64()));
    let second = cluster.up("second-up", interrupt)?;
    if second.receipt.changed > 0 {
        bail!("the second `up` changed {} things, so it is no second `up`; see `{}`", second.receipt.changed, folder.display());
    }
    step(&format!("second up: {:.2} s; the same bytes by ssh", second.wall.as_secs_f64()));
    let transfer = transfer::measure(&lab, &cluster, &first.receipt.sent, folder)?;
    step(&format!("transfer: {:.1} s; the floor", transfer.as_secs_f64()));
    let kubectl = Kubectl::new(kubectl, cluster.kubeconfig()?);
    let floor = floor::measure(&cluster, &kubectl, interrupt)?;
    step(&format!("floor: {:.1} s", floor.total.as_secs_f64()));
    Ok(Run { first, second: second.wall, transfer, floor })
}

/// The program under test, without what the caller's environment would tell it.
fn barque(arguments: &[&str]) -> Command {
    let mut command = run::command(dist::binary(), arguments);
    for name in [
        "BARQUE_BUNDLE",
        "BARQUE_CLUSTER_FILE",
        "BARQUE_IDENTITY",
        "BARQUE_NO_PROGRESS",
        "BARQUE_PASSPHRASE_FILE",
        "BARQUE_STATE_DIR",
        "BARQUE_SUDO_PASSWORD_FILE",
        "SSH_AUTH_SOCK",
    ] {
        command.env_remove(name);
    }
    command
}

/// A path as an argument.
fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))
}

/// The folders of runs below a cluster's state.
fn runs_of(state: &Path) -> Result<Vec<PathBuf>> {
    let runs = state.join("runs");
    if !runs.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(runs)?.map(|entry| Ok(entry?.path())).collect()
}

fn step(text: &str) {
    eprintln!("bench: {text}");
}
