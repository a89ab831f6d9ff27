//! Opens the bundle, and finds out before a host is touched what will not work with it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use barque_bundle::{Artifact, ArtifactKind, Bundle, PublicKey};
use barque_model::{Cluster, Release};
use barque_render::ImageNeed;

use crate::{Context, EngineError};

/// Something that the cluster needs and the bundle does not have for any processor or distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// `program`, `image` or `package`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The version that the release has; empty for packages.
    pub version: String,
    /// The versions that the bundle has.
    pub has: Vec<String>,
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, version, has } = self;
        write!(formatter, "{kind} {name}")?;
        if !version.is_empty() {
            write!(formatter, " {version}")?;
        }
        if has.is_empty() { Ok(()) } else { write!(formatter, " (it has {})", has.join(", ")) }
    }
}

/// Opens the bundle of `context`. Its signature is checked where a key is asked for; that no file is missing or cut off, and that it has
/// what the cluster needs, always. What is sent is hashed later, see [`crate::artifacts::verify_transfers`].
pub(crate) fn open(context: &Context) -> Result<Arc<Bundle>, EngineError> {
    let options = &context.options;
    let images = crate::addons::images(&context.addons, &context.cluster)?;
    open_for(&options.bundle, options.bundle_key.as_deref(), &context.cluster, &context.release, &images)
}

fn open_for(
    path: &Path,
    key: Option<&Path>,
    cluster: &Cluster,
    release: &Release,
    addon_images: &[ImageNeed],
) -> Result<Arc<Bundle>, EngineError> {
    let key = key.map(PublicKey::read).transpose()?;
    let bundle = Bundle::open(path)?;
    if let Some(key) = key {
        bundle.check_signature(&key)?;
    }
    let faults = bundle.glance();
    if !faults.is_empty() {
        return Err(EngineError::Incomplete { bundle: bundle.root().to_owned(), faults });
    }
    let lacks = lacks(bundle.artifacts(), cluster, release, addon_images);
    if !lacks.is_empty() {
        return Err(EngineError::Unfit { bundle: bundle.root().to_owned(), lacks });
    }
    Ok(Arc::new(bundle))
}

/// What `cluster` needs and none of `artifacts` is, whatever the processor and the distribution of its hosts: these are not known yet.
pub(crate) fn lacks(artifacts: &[Artifact], cluster: &Cluster, release: &Release, addon_images: &[ImageNeed]) -> Vec<Lack> {
    let versions = |kind: &ArtifactKind, name: &str| -> Vec<String> {
        let same = artifacts.iter().filter(|artifact| artifact.kind == *kind && artifact.name == name);
        same.map(|artifact| artifact.version.clone()).collect()
    };
    let mut lacks = Vec::new();
    let mut need = |kind, word, name: &str, version: String| {
        let has = versions(&kind, name);
        if !has.contains(&version) {
            lacks.push(Lack { kind: word, name: name.to_owned(), version, has });
        }
    };
    for host in &cluster.hosts {
        for binary in barque_render::binaries(release, host) {
            need(ArtifactKind::Binary, "program", &binary.artifact, binary.version);
        }
    }
    for image in barque_render::needed_images(cluster, release).into_iter().chain(addon_images.iter().cloned()) {
        let name = image.reference.rsplit_once(':').map_or(image.reference.as_str(), |(name, _)| name);
        need(ArtifactKind::Image, "image", name, image.version);
    }
    let carried = |package: &str| {
        let is_for = |artifact: &Artifact| match &artifact.kind {
            ArtifactKind::Package { for_packages, .. } => for_packages.iter().any(|name| name == package),
            ArtifactKind::Binary | ArtifactKind::Image => false,
        };
        artifacts.iter().any(is_for)
    };
    for package in cluster.hosts.iter().flat_map(|host| barque_render::packages(cluster, host)) {
        if !carried(package) {
            lacks.push(Lack { kind: "package", name: package.to_owned(), version: String::new(), has: Vec::new() });
        }
    }
    lacks.sort();
    lacks.dedup();
    lacks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_bundle::{Architecture, Description, SecretKey, SignatureError, make_keys};
    use barque_event::exit;

    use super::*;
    use crate::testing::cluster;

    fn add(bundle: &mut Bundle, kind: ArtifactKind, name: &str, version: &str) {
        let (name, version, source, licence) = (name.to_owned(), version.to_owned(), "a test".to_owned(), "MIT".to_owned());
        let content = format!("{name} {version}");
        let description = Description { kind, name, version, architecture: Architecture::Arm64, source, licence };
        bundle.add(content.as_bytes(), description).unwrap();
    }

    fn release() -> Release {
        barque_catalog::release(&cluster().kubernetes).unwrap()
    }

    fn open(path: &Path, key: Option<&Path>) -> Result<Arc<Bundle>, EngineError> {
        open_for(path, key, &cluster(), &release(), &[])
    }

    /// All that the cluster needs.
    fn fill(path: &Path) -> Bundle {
        let mut bundle = Bundle::create_or_open(path).unwrap();
        for lack in lacks(&[], &cluster(), &release(), &[]) {
            let kind = match lack.kind {
                "program" => ArtifactKind::Binary,
                "image" => ArtifactKind::Image,
                _ => ArtifactKind::Package { distribution: "debian-13".into(), for_packages: vec![lack.name.clone()] },
            };
            add(&mut bundle, kind, &lack.name, &lack.version);
        }
        bundle
    }

    fn shown(error: &EngineError, path: &Path) -> String {
        let text = format!("{error}\nhint: {}\nexit code {}", error.hint().unwrap(), error.exit_code());
        text.replace(&path.display().to_string(), "DIR")
    }

    #[test]
    fn a_bundle_of_another_release_is_named_with_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = fill(folder.path());
        open(folder.path(), None).unwrap();
        let kubelet = bundle.artifacts().iter().find(|artifact| artifact.name == "kubelet").unwrap().clone();
        let haproxy = bundle.artifacts().iter().find(|artifact| artifact.name == "haproxy").unwrap().clone();
        bundle.remove(&kubelet).unwrap();
        bundle.remove(&haproxy).unwrap();
        add(&mut bundle, ArtifactKind::Binary, "kubelet", "1.30.0");
        insta::assert_snapshot!(shown(&open(folder.path(), None).unwrap_err(), folder.path()), @r"
        bundle `DIR` lacks what this cluster needs; no host was touched
          package haproxy
          program kubelet 1.37.2 (it has 1.30.0)
        hint: name another bundle with `--bundle DIR|FILE`, or obtain what is missing with `barque lab artifacts`; `barque bundle show DIR` lists what this one holds
        exit code 1
        ");
    }

    #[test]
    fn missing_files_are_seen_before_a_host_is() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = fill(folder.path());
        let gone = bundle.artifacts().iter().find(|artifact| artifact.name == "etcd").unwrap();
        let cut = bundle.artifacts().iter().find(|artifact| artifact.name == "runc").unwrap();
        fs_err::remove_file(bundle.blob_path(&gone.digest)).unwrap();
        fs_err::write(bundle.blob_path(&cut.digest), "x").unwrap();
        let shown = shown(&open(folder.path(), None).unwrap_err(), folder.path());
        let shown =
            [(gone, "ETCD"), (cut, "RUNC")].iter().fold(shown, |text, (artifact, word)| text.replace(&artifact.digest.to_string(), word));
        assert!(shown.contains("blobs/ETCD.zst") && shown.contains("barque bundle verify DIR"), "{shown}");
        assert!(shown.contains("blobs/RUNC.zst") && shown.contains("exit code 1"), "{shown}");
    }

    #[test]
    fn an_unsigned_bundle_is_refused_where_a_key_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        let bundle = fill(&path);
        let secret = folder.path().join("secret");
        let (_, public) = make_keys(&secret, None).unwrap();
        let error = open(&path, Some(&public)).unwrap_err();
        assert!(matches!(&error, EngineError::Signature(SignatureError::Unsigned { .. })), "{error}");
        assert_eq!(error.exit_code(), exit::REFUSED);
        let text = bundle.sign(&SecretKey::read(&secret, None).unwrap()).unwrap();
        bundle.set_signature(&text).unwrap();
        open(&path, Some(&public)).unwrap();
        let (_, other) = make_keys(&folder.path().join("other"), None).unwrap();
        assert_eq!(open(&path, Some(&other)).unwrap_err().exit_code(), exit::REFUSED);
        assert_eq!(open(&path, Some(&folder.path().join("none"))).unwrap_err().exit_code(), exit::USAGE);
    }
}
