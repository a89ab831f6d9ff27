//! `cargo xtask soak`: the scenario that kills things all through deployments, with many more points than in CI.

use anyhow::Result;

use crate::nextest::{self, Skips};
use crate::{e2e, metadata, suites};

/// Runs it with `points` points; what it does is shown as it happens.
pub(crate) fn run(points: u32, build: bool) -> Result<()> {
    let environment = e2e::environment(build)?;
    let mut command = suites::end_to_end(&metadata::read()?, "soak")?;
    command
        .args(["--no-capture", "-E", "binary(kill_matrix)"])
        .envs(environment)
        .env("BARQUE_SOAK_POINTS", points.to_string())
        .env("RUST_BACKTRACE", "0");
    nextest::run(&mut command, Skips::Allowed)?.print();
    Ok(())
}
