//! An image of OpenSearch with its plugin `security` for the scenario of a store in the cluster, under the name of the makers' image: jars from the
//! Maven registry on a Debian 13 with its Java 21. The makers' image is in none of the registries that barque builds from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use barque_lab::hosts::{RootfsSpec, rootfs};
use fs_err as fs;

use crate::run::root;
use crate::{run, unpack};

/// As the add-on `opensearch` names it.
const REFERENCE: &str = "docker.io/opensearchproject/opensearch:2.19.4";
const SECURITY: &str = "org.opensearch.plugin:opensearch-security:2.19.4.0:zip";
const JAVA: &str = "openjdk-21-jre-headless";
/// Of the list of SHA-256 of all jars by name, as the registry had them in November 2026.
const JARS: &str = "498e7c338585ce0c7ec5f02cb0c6bb4e6d0c1677958b44749ee40e25bab779de";
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";
/// Raise it when what this module makes of them changes.
const RECIPE: u32 = 3;

/// What nothing that runs in a container needs.
const LEFT_OUT: [&str; 9] = [
    "boot",
    "dev",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/share",
    "usr/sbin",
    "var/cache",
    "var/lib",
    "usr/lib/x86_64-linux-gnu/perl-base",
];

/// Packs it once per machine; answers the archive, which `ctr images import` takes.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = unpack::bundle()?.parent().context("the bundle's folder has a parent")?.to_path_buf();
    let system = rootfs::ensure_spec(&cache, &RootfsSpec { extra_packages: vec![JAVA.to_owned()], ..RootfsSpec::plain() }, &|_| {})?;
    let target = cache.join("tests").join(format!("opensearch-2.19.4-{RECIPE}-{}.tar", JARS.get(..12).unwrap_or_default()));
    if target.is_file() {
        return Ok(target);
    }
    let work = cache.join("tests").join(format!("opensearch.partial-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    jars(&work.join("home"))?;
    image(&system, &work, &work.join("image.tar"))?;
    fs::rename(work.join("image.tar"), &target)?;
    fs::remove_dir_all(&work)?;
    // Former ones are large.
    for entry in fs::read_dir(cache.join("tests"))? {
        let path = entry?.path();
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("opensearch-"));
        if is_ours && path != target && path.is_file() {
            fs::remove_file(path)?;
        }
    }
    Ok(target)
}

/// Its home, as the makers' image has it below `/usr/share/opensearch`.
fn jars(home: &Path) -> Result<()> {
    let ours = root().join("xtask/opensearch");
    let (module, plugin) = (home.join("modules/transport-netty4"), home.join("plugins/opensearch-security"));
    for folder in [&module, &plugin, &home.join("config"), &home.join("data"), &home.join("logs")] {
        fs::create_dir_all(folder)?;
    }
    let maven = |goal: &str, options: &[String]| {
        let goal = format!("{PLUGIN}:{goal}");
        let mut words = vec!["--quiet", "--batch-mode", goal.as_str()];
        words.extend(options.iter().map(String::as_str));
        run::check(run::command("mvn", &words).stdout(std::io::stderr()))
    };
    for (list, folder) in [("lib.xml", home.join("lib")), ("transport.xml", module.clone())] {
        let options = [
            format!("--file={}", ours.join(list).display()),
            "-DincludeScope=runtime".to_owned(),
            format!("-DoutputDirectory={}", folder.display()),
        ];
        maven("copy-dependencies", &options)?;
    }
    let archive = home.join("plugins");
    maven("copy", &[format!("-Dartifact={SECURITY}"), format!("-DoutputDirectory={}", archive.display())])?;
    let archive = archive.join("opensearch-security-2.19.4.0.zip");
    run::check(&mut run::command("unzip", &["-q", &archive.display().to_string(), "-d", &plugin.display().to_string()]))?;
    fs::remove_file(archive)?;
    let digest = "find . -name '*.jar' | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let digest = run::output(run::command("sh", &["-c", digest]).current_dir(home))?;
    ensure!(digest.starts_with(JARS), "the jars of OpenSearch are not what they were: {digest}");
    fs::copy(ours.join("plugin-descriptor.properties"), module.join("plugin-descriptor.properties"))?;
    fs::copy(ours.join("log4j2.properties"), home.join("config/log4j2.properties"))?;
    fs::copy(ours.join("entrypoint.sh"), home.join("opensearch-docker-entrypoint.sh"))?;
    let (limit, target) = (ours.join("limit.c").display().to_string(), home.join("limit.so").display().to_string());
    run::check(&mut run::command("gcc", &["-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", &target, &limit]))
}

/// An archive as `docker save` writes it: one layer of the system and the home.
fn image(system: &Path, work: &Path, target: &Path) -> Result<()> {
    let (layer, shown) = (work.join("layer.tar").display().to_string(), system.display().to_string());
    let same = ["--sort=name", "--mtime=@0", "--numeric-owner", "--file", &layer];
    let mut words = vec!["--create", "--directory", &shown];
    words.extend(same);
    let left_out = LEFT_OUT.map(|path| format!("--exclude=./{path}"));
    words.extend(left_out.iter().map(String::as_str));
    words.push(".");
    run::check(&mut run::command("tar", &words))?;
    // Java by one name, whatever the processor.
    fs::create_dir_all(work.join("java/usr/lib/jvm"))?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    std::os::unix::fs::symlink(format!("java-21-openjdk-{architecture}"), work.join("java/usr/lib/jvm/default"))?;
    let java = work.join("java").display().to_string();
    let append = |folder: &str, more: &[&str]| {
        let mut words = vec!["--append", "--directory", folder];
        words.extend(same);
        words.extend(more);
        run::check(&mut run::command("tar", &words))
    };
    append(&java, &["usr/lib/jvm/default"])?;
    let work_shown = work.display().to_string();
    append(&work_shown, &["--owner=1000", "--group=1000", "--mode=u+rwX,go+rX", "--transform=s,^home,usr/share/opensearch,", "home"])?;

    let digest = run::output(&mut run::command("sha256sum", &[&layer]))?;
    let digest = digest.split(' ').next().unwrap_or_default();
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": "1000:1000",
            "Env": ["PATH=/usr/bin:/bin"],
            "WorkingDir": "/usr/share/opensearch",
            "Entrypoint": ["/bin/sh", "./opensearch-docker-entrypoint.sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]);
    fs::write(work.join("config.json"), config.to_string())?;
    fs::write(work.join("manifest.json"), manifest.to_string())?;
    let words =
        ["--create", "--directory", &work_shown, "--file", &target.display().to_string(), "manifest.json", "config.json", "layer.tar"];
    run::check(&mut run::command("tar", &words))
}
