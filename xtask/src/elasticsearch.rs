//! A real Elasticsearch for the scenario of log lines and for the demo: the last one that can be had as an artifact of the Maven registry.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use crate::{run, unpack};

const VERSION: &str = "6.2.4";
/// Of the archive, as its publisher's registry had it in November 2026.
const SHA256: &str = "4ce495ac6db4ff720bb5b863562952efa54955e72ca454d5c4fcd9ce523c053f";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// Options for the Java of its time, which later ones refuse to start with: lines of its `config/jvm.options`.
const OLD_OPTIONS: &str = r"/^[0-9]+-?:|CMS|ConcMarkSweep|PrintGC|Xloggc|GCLogFile|^-Xm/d";

/// Obtains it once per machine, ready for Java 17; answers its folder.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = unpack::bundle()?.parent().context("the bundle's folder has a parent")?.join("tests");
    let home = cache.join(format!("elasticsearch-{VERSION}-java17-{}", &SHA256[..12]));
    if home.is_dir() {
        return Ok(home);
    }
    let work = cache.join(format!("elasticsearch.partial-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let shown = work.display().to_string();
    let artifact = format!("-Dartifact=org.elasticsearch.distribution.zip:elasticsearch:{VERSION}:zip");
    // Only the folder goes to standard output.
    let target = format!("-DoutputDirectory={shown}");
    run::check(run::command("mvn", &["--quiet", "--batch-mode", COPY, &artifact, &target]).stdout(std::io::stderr()))?;
    let archive = work.join(format!("elasticsearch-{VERSION}.zip")).display().to_string();
    let digest = run::output(&mut run::command("sha256sum", &[&archive]))?;
    ensure!(digest.starts_with(SHA256), "`{archive}` is not what it was: {digest}");
    run::check(&mut run::command("unzip", &["-q", &archive, "-d", &shown]))?;
    let unpacked = work.join(format!("elasticsearch-{VERSION}"));
    run::check(&mut run::command("sed", &["-i", "-E", OLD_OPTIONS, &unpacked.join("config/jvm.options").display().to_string()]))?;
    fs::rename(&unpacked, &home)?;
    fs::remove_dir_all(&work)?;
    Ok(home)
}
