//! Tests with real components and real hosts.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::nextest::{self, Skips, Summary};
use crate::run::{self, root};
use crate::{dist, elasticsearch, metadata, opensearch, suites, unpack};

/// Programs that tests start themselves.
const PROGRAMS: &[&str] = &["etcd", "kube-apiserver", "kubectl", "promtool", "registry", "versitygw"];

/// The image that tests run in pods.
const TOOLBOX: &str = "barque.test/toolbox";

/// The distribution's package of those hosts that disturb a cluster's balancers.
const ROUTER: &str = "keepalived";

/// Obtains the artifacts, then runs the tests, two at a time (`.config/nextest.toml`).
pub(crate) fn run(filter: Option<&str>, build: bool) -> Result<Summary> {
    let environment = environment(build)?;
    let mut command = suites::end_to_end(&metadata::read()?, "e2e")?;
    command.args(filter).envs(environment).env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "0");
    nextest::run(&mut command, if filter.is_some() { Skips::Allowed } else { Skips::Forbidden })
}

/// What the scenarios find in their environment. Builds barque if asked to, obtains the artifacts, and unpacks what tests start themselves.
pub(crate) fn environment(build: bool) -> Result<[(&'static str, PathBuf); 8]> {
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
        ("BARQUE_TEST_ELASTICSEARCH", elasticsearch::ensure()?),
        ("BARQUE_TEST_OPENSEARCH", opensearch::ensure()?),
        ("BARQUE_TEST_PACKAGES", unpack::packages(&folder.join("packages"), ROUTER)?),
        ("BARQUE_TEST_TOOLBOX", unpack::image(&folder, TOOLBOX, "toolbox.tar")?),
    ])
}
