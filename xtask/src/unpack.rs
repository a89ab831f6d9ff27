//! Takes programs for this machine out of the bundle.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use barque_bundle::{Architecture, Artifact, ArtifactKind, Bundle};
use barque_model::Version;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Where `barque lab artifacts` keeps the bundle: `$XDG_CACHE_HOME/barque/bundle` or `~/.cache/barque/bundle`.
pub(crate) fn bundle() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(cache.context("neither HOME nor XDG_CACHE_HOME is set")?.join("barque/bundle"))
}

/// Puts the newest version of each program into `folder`, verified. One that is there already stays.
pub(crate) fn run(folder: &Path, names: &[&str]) -> Result<()> {
    let bundle = Bundle::open(bundle()?).context("cannot open the bundle; `barque lab artifacts` makes it")?;
    fs::create_dir_all(folder)?;
    for name in names {
        let artifact = newest(bundle.artifacts(), name).with_context(|| format!("the bundle has no program `{name}`"))?;
        let mark = folder.join(format!(".{name}.sha256"));
        let digest = artifact.digest.to_string();
        if folder.join(name).is_file() && fs::read_to_string(&mark).is_ok_and(|present| present == digest) {
            continue;
        }
        bundle.verify(artifact)?;
        let fresh = folder.join(format!(".{name}.new"));
        let mut target = fs::OpenOptions::new();
        target.write(true).create(true).truncate(true).mode(0o755);
        io::copy(&mut bundle.open_content(artifact)?, &mut target.open(&fresh)?)?;
        fs::rename(&fresh, folder.join(name))?;
        fs::write(&mark, digest)?;
    }
    Ok(())
}

fn newest<'a>(artifacts: &'a [Artifact], name: &str) -> Option<&'a Artifact> {
    let here = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 };
    let matching =
        artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Binary && artifact.name == name && artifact.architecture == here);
    matching.max_by_key(|artifact| artifact.version.parse::<Version>().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        }
    }

    #[test]
    fn versions_are_numbers_and_images_no_programs() {
        let artifacts = [
            artifact("etcd", "3.6.9", ArtifactKind::Binary),
            artifact("etcd", "3.6.14", ArtifactKind::Binary),
            artifact("etcd", "3.7.0", ArtifactKind::Image),
        ];
        assert_eq!(newest(&artifacts, "etcd").unwrap().version, "3.6.14");
        assert_eq!(newest(&artifacts, "kubectl"), None);
    }
}
