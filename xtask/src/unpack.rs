//! Takes programs and images for this machine out of the bundle.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use barque_bundle::{Architecture, Artifact, ArtifactKind, Bundle};
use barque_model::Version;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

/// The system of the lab's hosts, which the lab's packages are made for.
const DISTRIBUTION: &str = "debian-13";

/// Where `barque lab artifacts` keeps the bundle: `$XDG_CACHE_HOME/barque/bundle` or `~/.cache/barque/bundle`.
pub(crate) fn bundle() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(cache.context("neither HOME nor XDG_CACHE_HOME is set")?.join("barque/bundle"))
}

/// Puts the newest version of each program into `folder`, verified. One that is there already stays.
pub(crate) fn programs(folder: &Path, names: &[&str]) -> Result<()> {
    let bundle = open()?;
    for name in names {
        let artifact =
            newest(bundle.artifacts(), &ArtifactKind::Binary, name).with_context(|| format!("the bundle has no program `{name}`"))?;
        extract(&bundle, artifact, folder, name, 0o755)?;
    }
    Ok(())
}

/// Puts the newest version of an image into `folder` as the tar archive `file`; answers where it is.
pub(crate) fn image(folder: &Path, name: &str, file: &str) -> Result<PathBuf> {
    let bundle = open()?;
    let artifact = newest(bundle.artifacts(), &ArtifactKind::Image, name).with_context(|| format!("the bundle has no image `{name}`"))?;
    extract(&bundle, artifact, folder, file, 0o644)?;
    Ok(folder.join(file))
}

/// Puts a package with all that it needs on a minimal system into a folder of its own in `folder`; answers where that is.
pub(crate) fn packages(folder: &Path, name: &str) -> Result<PathBuf> {
    let (bundle, target) = (open()?, folder.join(name));
    let packages = bundle.packages(DISTRIBUTION, name, here());
    ensure!(!packages.is_empty(), "the bundle has no package `{name}`");
    for artifact in packages {
        extract(&bundle, artifact, &target, &format!("{}.deb", artifact.name), 0o644)?;
    }
    Ok(target)
}

fn open() -> Result<Bundle> {
    Bundle::open(bundle()?).context("cannot open the bundle; `barque lab artifacts` makes it")
}

fn extract(bundle: &Bundle, artifact: &Artifact, folder: &Path, file: &str, mode: u32) -> Result<()> {
    let mark = folder.join(format!(".{file}.sha256"));
    let digest = artifact.digest.to_string();
    if folder.join(file).is_file() && fs::read_to_string(&mark).is_ok_and(|present| present == digest) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    bundle.verify(artifact)?;
    let fresh = folder.join(format!(".{file}.new"));
    let mut target = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
    io::copy(&mut bundle.open_content(artifact)?, &mut target)?;
    // Closed before it gets its name: the kernel refuses to run a program that is open for writing.
    drop(target);
    fs::rename(&fresh, folder.join(file))?;
    fs::write(&mark, digest)?;
    Ok(())
}

const fn here() -> Architecture {
    if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 }
}

fn newest<'a>(artifacts: &'a [Artifact], kind: &ArtifactKind, name: &str) -> Option<&'a Artifact> {
    let here = here();
    let matching = artifacts.iter().filter(|artifact| artifact.kind == *kind && artifact.name == name && artifact.architecture == here);
    // What is no version of three numbers, such as that of a test image, comes before what is.
    matching.max_by_key(|artifact| artifact.version.parse::<Version>().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use barque_bundle::Description;

    use super::*;

    fn artifact(name: &str, version: &str, kind: ArtifactKind) -> Artifact {
        let digest = serde_json::from_str(&format!("\"{}\"", "0".repeat(64))).unwrap();
        Artifact {
            kind,
            name: name.into(),
            version: version.into(),
            architecture: if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 },
            digest,
            size: 1,
            compressed_digest: digest,
            compressed_size: 1,
            source: String::new(),
            licence: String::new(),
        }
    }

    #[test]
    fn content_is_verified_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = Bundle::create_or_open(folder.path().join("bundle")).unwrap();
        let description = Description {
            kind: ArtifactKind::Binary,
            name: "tool".into(),
            version: "1.0.0".into(),
            architecture: Architecture::Amd64,
            source: String::new(),
            licence: String::new(),
        };
        let artifact = bundle.add(b"content".as_slice(), description).unwrap();
        let target = folder.path().join("bin");
        extract(&bundle, &artifact, &target, "tool", 0o755).unwrap();
        assert_eq!(fs::read(target.join("tool")).unwrap(), b"content");
        // Present and of this digest: not even the bundle is looked at again.
        fs::remove_dir_all(folder.path().join("bundle/blobs")).unwrap();
        extract(&bundle, &artifact, &target, "tool", 0o755).unwrap();
        fs::remove_file(target.join("tool")).unwrap();
        assert!(extract(&bundle, &artifact, &target, "tool", 0o755).is_err());
        assert!(!target.join("tool").exists());
    }

    #[test]
    fn versions_are_numbers_and_images_no_programs() {
        let artifacts = [
            artifact("etcd", "3.6.9", ArtifactKind::Binary),
            artifact("etcd", "3.6.14", ArtifactKind::Binary),
            artifact("etcd", "3.7.0", ArtifactKind::Image),
        ];
        assert_eq!(newest(&artifacts, &ArtifactKind::Binary, "etcd").unwrap().version, "3.6.14");
        assert_eq!(newest(&artifacts, &ArtifactKind::Binary, "kubectl"), None);
    }
}
