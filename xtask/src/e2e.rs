//! Tests with real components and real hosts.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::nextest::{self, Skips, Summary};
use crate::run::{self, root};
use crate::{dist, unpack};

/// Programs that tests start themselves.
const PROGRAMS: &[&str] = &["etcd", "kube-apiserver", "kubectl"];

/// The image that tests run in pods.
const TOOLBOX: &str = "barque.test/toolbox";

/// The distribution's package of those hosts that disturb a cluster's balancers.
const ROUTER: &str = "keepalived";

/// The suites, each a set of arguments of `cargo nextest run`: the API client, the lab by itself, much data over SSH,
/// packet sockets, packet filters, the scenarios.
const SUITES: &[&[&str]] = &[
    &["--package", "barque-kube", "--features", "e2e", "--test", "apiserver"],
    &["--package", "barque-lab", "--features", "e2e", "--lib", "--test", "hosts"],
    &["--package", "barque-transport", "--features", "e2e", "--test", "sshd"],
    &["--package", "barque-segment", "--features", "e2e", "--test", "namespaces"],
    &["--package", "barque-firewall", "--features", "e2e", "--test", "nft"],
    &["--package", "barque-e2e", "--features", "e2e"],
];

/// Obtains the artifacts, then runs the suites, one test at a time.
pub(crate) fn run(filter: Option<&str>, build: bool) -> Result<Summary> {
    let environment = environment(build)?;
    let mut summary = Summary::default();
    let mut failures = Vec::new();
    for arguments in SUITES {
        match suite(arguments, filter, &environment) {
            Ok(part) => summary.extend(part),
            // The others run all the same: one report of everything that is broken.
            Err(error) => failures.push(error.to_string()),
        }
    }
    if failures.is_empty() {
        return Ok(summary);
    }
    summary.print();
    bail!("{}", failures.join("\n"))
}

/// What the scenarios find in their environment. Builds barque if asked to, obtains the artifacts, and unpacks what tests start themselves.
pub(crate) fn environment(build: bool) -> Result<[(&'static str, PathBuf); 6]> {
    if build {
        dist::run(dist::Profile::Quick)?;
    }
    run::check(&mut run::command(dist::binary(), &["lab", "artifacts"]))?;
    let folder = root().join("target/e2e");
    let programs = folder.join("bin");
    unpack::programs(&programs, PROGRAMS)?;
    let bundle = unpack::bundle()?;
    Ok([
        ("BARQUE_BINARY", dist::binary()),
        ("BARQUE_BUNDLE", bundle.clone()),
        ("BARQUE_LAB_CACHE", bundle.parent().map(Path::to_path_buf).unwrap_or_default()),
        ("BARQUE_TEST_BINARIES", programs),
        ("BARQUE_TEST_PACKAGES", unpack::packages(&folder.join("packages"), ROUTER)?),
        ("BARQUE_TEST_TOOLBOX", unpack::image(&folder, TOOLBOX, "toolbox.tar")?),
    ])
}

fn suite(arguments: &[&str], filter: Option<&str>, environment: &[(&str, PathBuf)]) -> Result<Summary> {
    let mut command = run::cargo(&["nextest", "run", "--locked", "--profile", "e2e"]);
    command.args(arguments).envs(environment.iter().cloned()).env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "0");
    if let Some(filter) = filter {
        // A name that only one of the suites knows leaves nothing to do in the others.
        command.args(["--no-tests", "pass", filter]);
    }
    let skips = if filter.is_some() { Skips::Allowed } else { Skips::Forbidden };
    nextest::run(&mut command, skips)
}
