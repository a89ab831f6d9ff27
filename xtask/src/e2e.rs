//! Tests with real components and real hosts.

use std::path::PathBuf;

use anyhow::Result;

use crate::nextest::{self, Summary};
use crate::run::{self, root};
use crate::{dist, unpack};

/// Programs that tests start themselves.
const PROGRAMS: &[&str] = &["etcd", "kube-apiserver", "kubectl"];

/// Obtains the artifacts, then runs the API tests and the scenarios, one at a time.
pub(crate) fn run(filter: Option<&str>, build: bool) -> Result<Summary> {
    if build {
        dist::run(dist::Profile::Quick)?;
    }
    run::check(&mut run::command(dist::binary(), &["lab", "artifacts"]))?;
    let programs = root().join("target/e2e/bin");
    unpack::run(&programs, PROGRAMS)?;
    let mut summary = Summary::default();
    let mut failure = None;
    for package in [["--package", "barque-kube", "--features", "e2e", "--test", "apiserver"].as_slice(), &["--package", "barque-e2e"]] {
        match suite(package, filter, &programs) {
            Ok(part) => summary.extend(part),
            // The other suite runs all the same: one report of everything that is broken.
            Err(error) => failure = Some(failure.map_or_else(|| error.to_string(), |text| format!("{text}\n{error}"))),
        }
    }
    match failure {
        None => Ok(summary),
        Some(text) => {
            summary.print();
            Err(anyhow::Error::msg(text))
        }
    }
}

fn suite(package: &[&str], filter: Option<&str>, programs: &PathBuf) -> Result<Summary> {
    let mut command = run::cargo(&["nextest", "run", "--locked", "--profile", "e2e"]);
    command.args(package);
    if let Some(filter) = filter {
        // A name that only one of the suites knows leaves nothing to do in the other.
        command.args(["--no-tests", "pass", filter]);
    }
    command.env("BARQUE_BINARY", dist::binary()).env("BARQUE_TEST_BINARIES", programs).env("INSTA_UPDATE", "no");
    nextest::run(&mut command, filter.is_some())
}
