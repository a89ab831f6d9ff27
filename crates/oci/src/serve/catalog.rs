//! What a bundle has, under the names by which it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use barque_bundle::{Architecture, Artifact, ArtifactKind, Bundle, BundleError, ImageLayout, ImageManifest, Span};
use barque_model::Digest;
use bytes::Bytes;
use serde_json::json;

use super::route::{Name, Reference};

/// Where images go that name no registry, and the folder of those without one, as containerd reads names.
const DEFAULT_HOST: &str = "docker.io";
const DEFAULT_FOLDER: &str = "library/";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Everything that can be asked for. Of blobs it has only where they lie.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By path, then by the registry that the images name.
    repositories: BTreeMap<String, BTreeMap<String, Repository>>,
    artifacts: BTreeMap<Digest, Source>,
    pub(super) manifest: Bytes,
    pub(super) signature: Option<Bytes>,
}

/// The images of one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repository {
    pub(crate) tags: BTreeMap<String, Digest>,
    pub(crate) manifests: BTreeMap<Digest, Manifest>,
    pub(crate) blobs: BTreeMap<Digest, Source>,
}

/// A manifest, ready to be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) text: Bytes,
}

/// Where bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// Names the bundle's blob.
    pub(crate) blob: Digest,
    /// Whether the compressed bytes are meant, as they lie there, or what they hold.
    pub(crate) is_compressed: bool,
    /// Which of them.
    pub(crate) span: Span,
}

/// Why there is no such manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoManifest {
    Name,
    Reference,
    /// Several registries have images of this path and tag.
    Ambiguous {
        hosts: Vec<String>,
    },
}

/// An image with the parts that it has.
type Image<'a> = (&'a Artifact, ImageLayout);
/// The manifests that one tag means, by processor.
type Tagged = BTreeMap<Architecture, ImageManifest>;

impl Catalog {
    /// Reads what `bundle` has, for which its images are decompressed once; `progress` is told the number of bytes since it was last told.
    pub fn read(bundle: &Bundle, signature: Option<&str>, progress: &dyn Fn(u64)) -> Result<Self, BundleError> {
        let images = bundle.artifacts().iter().filter(|artifact| artifact.kind == ArtifactKind::Image);
        let images = images.map(|image| Ok((image, bundle.image_layout(image, progress)?))).collect::<Result<Vec<_>, BundleError>>()?;
        let mut catalog = Self::of(bundle.artifacts(), &images);
        catalog.manifest = Bytes::copy_from_slice(bundle.text());
        catalog.signature = signature.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        Ok(catalog)
    }

    fn of(artifacts: &[Artifact], images: &[Image]) -> Self {
        let mut catalog = Self::default();
        for artifact in artifacts {
            let source = |is_compressed, size| Source { blob: artifact.digest, is_compressed, span: Span { start: 0, size } };
            catalog.artifacts.insert(artifact.compressed_digest, source(true, artifact.compressed_size));
            catalog.artifacts.insert(artifact.digest, source(false, artifact.size));
        }
        let mut tagged: BTreeMap<(String, String, String), Tagged> = BTreeMap::new();
        for (image, layout) in images {
            let (host, path) = host_and_path(&image.name);
            let repository = catalog.repositories.entry(path.clone()).or_default().entry(host.clone()).or_default();
            for (digest, span) in &layout.blobs {
                repository.blobs.insert(*digest, Source { blob: image.digest, is_compressed: false, span: *span });
            }
            for manifest in &layout.manifests {
                repository.manifests.insert(manifest.digest, manifest.into());
            }
            if let Some(first) = layout.manifests.first() {
                tagged.entry((path, host, tag_of(image, first))).or_default().insert(image.architecture, first.clone());
            }
        }
        for ((path, host, tag), manifests) in tagged {
            let Some(repository) = catalog.repositories.get_mut(&path).and_then(|hosts| hosts.get_mut(&host)) else { continue };
            let manifest = joined(&manifests);
            repository.tags.insert(tag, manifest.digest);
            repository.manifests.insert(manifest.digest, manifest);
        }
        catalog
    }

    /// The registries whose images are here, in order.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.repositories.values().flat_map(|hosts| hosts.keys().map(String::as_str)).collect()
    }

    /// Number of tags.
    pub fn images(&self) -> usize {
        self.repositories.values().flat_map(BTreeMap::values).map(|repository| repository.tags.len()).sum()
    }

    /// Every repository with its registry and path, in order.
    pub(crate) fn repositories(&self) -> impl Iterator<Item = (&str, &str, &Repository)> {
        self.repositories.iter().flat_map(|(path, hosts)| hosts.iter().map(move |(host, found)| (host.as_str(), path.as_str(), found)))
    }

    /// The manifest that `name` and `reference` mean.
    pub(super) fn manifest(&self, name: &Name, reference: &Reference) -> Result<&Manifest, NoManifest> {
        let mut found: BTreeMap<Digest, (&Manifest, Vec<String>)> = BTreeMap::new();
        let mut is_known = false;
        for (host, repository) in self.named(name) {
            is_known = true;
            let digest = match reference {
                Reference::Digest(digest) => Some(digest),
                Reference::Tag(tag) => repository.tags.get(tag),
            };
            if let Some(manifest) = digest.and_then(|digest| repository.manifests.get(digest)) {
                found.entry(manifest.digest).or_insert_with(|| (manifest, Vec::new())).1.push(host.to_owned());
            }
        }
        if found.len() > 1 {
            return Err(NoManifest::Ambiguous { hosts: found.into_values().flat_map(|(_, hosts)| hosts).collect() });
        }
        let found = found.into_values().next().map(|(manifest, _)| manifest);
        found.ok_or(if is_known { NoManifest::Reference } else { NoManifest::Name })
    }

    /// Where a blob of a repository lies.
    pub(super) fn blob(&self, name: &Name, digest: &Digest) -> Option<Source> {
        self.named(name).into_iter().find_map(|(_, repository)| repository.blobs.get(digest)).copied()
    }

    /// The tags of a repository, in order; `None` where there is no such repository.
    pub(super) fn tags(&self, name: &Name) -> Option<BTreeSet<&str>> {
        let repositories = self.named(name);
        let tags = repositories.iter().flat_map(|(_, repository)| repository.tags.keys().map(String::as_str)).collect();
        (!repositories.is_empty()).then_some(tags)
    }

    /// Where the bundle's own content with this SHA-256 lies.
    pub(super) fn artifact(&self, digest: &Digest) -> Option<Source> {
        self.artifacts.get(digest).copied()
    }

    /// The repositories of this path, of one registry or of all.
    fn named(&self, name: &Name) -> Vec<(&str, &Repository)> {
        let hosts = self.repositories.get(&name.path).into_iter().flatten();
        hosts
            .filter(|(host, _)| name.host.as_ref().is_none_or(|wanted| wanted == *host))
            .map(|(host, repository)| (host.as_str(), repository))
            .collect()
    }
}

impl Manifest {
    /// Whether it is an index that names the manifest with `digest`.
    pub(crate) fn names(&self, digest: &Digest) -> bool {
        self.media_type == INDEX && String::from_utf8_lossy(&self.text).contains(&digest.to_string())
    }
}

impl From<&ImageManifest> for Manifest {
    fn from(manifest: &ImageManifest) -> Self {
        let media_type = if manifest.media_type.is_empty() { MANIFEST } else { &manifest.media_type };
        Self { digest: manifest.digest, media_type: media_type.to_owned(), text: Bytes::copy_from_slice(&manifest.text) }
    }
}

/// What a tag means: the one manifest, or an index of those for several processors. The same manifests give the same bytes.
fn joined(manifests: &Tagged) -> Manifest {
    if let (1, Some(only)) = (manifests.len(), manifests.values().next()) {
        return only.into();
    }
    let described: Vec<_> = manifests
        .iter()
        .map(|(architecture, manifest)| {
            let one = Manifest::from(manifest);
            json!({
                "mediaType": one.media_type, "digest": format!("sha256:{}", one.digest), "size": one.text.len(),
                "platform": {"architecture": architecture.to_string(), "os": "linux"},
            })
        })
        .collect();
    let text = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": described}).to_string();
    Manifest { digest: Digest::of(text.as_bytes()), media_type: INDEX.to_owned(), text: text.into() }
}

/// The registry that an image's name begins with, and the path behind it.
fn host_and_path(name: &str) -> (String, String) {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            let folder = if host == DEFAULT_HOST && !path.contains('/') { DEFAULT_FOLDER } else { "" };
            (host.to_owned(), format!("{folder}{path}"))
        }
        Some(_) => (DEFAULT_HOST.to_owned(), name.to_owned()),
        None => (DEFAULT_HOST.to_owned(), format!("{DEFAULT_FOLDER}{name}")),
    }
}

/// The tag of the reference that the image carries; its version where it carries none.
fn tag_of(image: &Artifact, manifest: &ImageManifest) -> String {
    let carried = manifest.reference.as_deref().map(|reference| reference.strip_prefix(&image.name).unwrap_or(reference));
    let tag = carried.map(|rest| rest.rsplit_once(':').map_or(rest, |(_, tag)| tag)).filter(|tag| !tag.is_empty() && !tag.contains('/'));
    tag.unwrap_or(&image.version).to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// An image with a manifest of its own and one blob.
    pub(in crate::serve) fn image(name: &str, tag: &str, architecture: Architecture) -> (Artifact, ImageLayout) {
        let seed = format!("{name}:{tag} {architecture}");
        let digest = Digest::of(seed.as_bytes());
        let artifact = Artifact {
            kind: ArtifactKind::Image,
            name: name.to_owned(),
            version: tag.trim_start_matches('v').to_owned(),
            architecture,
            digest,
            size: 1000,
            compressed_digest: Digest::of(format!("{seed} compressed").as_bytes()),
            compressed_size: 100,
            source: "a test".to_owned(),
            licence: "Apache-2.0".to_owned(),
        };
        let text = format!(r#"{{"of":"{seed}"}}"#).into_bytes();
        let manifest = ImageManifest {
            digest: Digest::of(&text),
            media_type: MANIFEST.to_owned(),
            reference: Some(format!("{name}:{tag}")),
            text: text.clone(),
        };
        let blobs = BTreeMap::from([(Digest::of(format!("{seed} blob").as_bytes()), Span { start: 512, size: 10 })]);
        (artifact, ImageLayout { manifests: vec![manifest], blobs })
    }

    pub(in crate::serve) fn catalog(images: &[(Artifact, ImageLayout)]) -> Catalog {
        let artifacts: Vec<Artifact> = images.iter().map(|(artifact, _)| artifact.clone()).collect();
        let images: Vec<Image> = images.iter().map(|(artifact, layout)| (artifact, layout.clone())).collect();
        Catalog::of(&artifacts, &images)
    }

    fn name(path: &str, host: Option<&str>) -> Name {
        Name { path: path.to_owned(), host: host.map(ToOwned::to_owned) }
    }

    fn tag(text: &str) -> Reference {
        Reference::Tag(text.to_owned())
    }

    #[test]
    fn images_are_found_behind_their_registry() {
        let coredns = image("registry.k8s.io/coredns/coredns", "v1.14.7", Architecture::Amd64);
        let catalog = catalog(&[coredns.clone(), image("docker.io/library/caddy", "2.10", Architecture::Amd64)]);
        let found = catalog.manifest(&name("coredns/coredns", None), &tag("v1.14.7")).unwrap();
        assert_eq!(found.digest, coredns.1.manifests[0].digest);
        let by_digest = catalog.manifest(&name("coredns/coredns", Some("registry.k8s.io")), &Reference::Digest(found.digest)).unwrap();
        assert_eq!(by_digest, found);
        assert_eq!(catalog.manifest(&name("coredns/coredns", Some("quay.io")), &tag("v1.14.7")), Err(NoManifest::Name));
        assert_eq!(catalog.manifest(&name("coredns/coredns", None), &tag("1.14.7")), Err(NoManifest::Reference));
        let blob = *coredns.1.blobs.keys().next().unwrap();
        assert_eq!(catalog.blob(&name("coredns/coredns", None), &blob).unwrap().blob, coredns.0.digest);
        assert_eq!(catalog.blob(&name("library/caddy", None), &blob), None, "a blob of another repository");
        assert_eq!(catalog.tags(&name("library/caddy", None)).unwrap().into_iter().collect::<Vec<_>>(), ["2.10"]);
        assert_eq!(catalog.tags(&name("caddy", None)), None);
        assert_eq!((catalog.images(), catalog.hosts().into_iter().collect::<Vec<_>>()), (2, vec!["docker.io", "registry.k8s.io"]));
        let compressed = catalog.artifact(&coredns.0.compressed_digest).unwrap();
        assert!(compressed.is_compressed && compressed.span.size == 100);
        assert_eq!(catalog.artifact(&coredns.0.digest).unwrap().span.size, 1000);
    }

    #[test]
    fn two_registries_with_one_path_are_told_apart() {
        let (left, right) = (image("a.example/x", "1", Architecture::Amd64), image("b.example/x", "1", Architecture::Amd64));
        let catalog = catalog(&[left.clone(), right.clone()]);
        for (host, (_, layout)) in [("a.example", left), ("b.example", right)] {
            assert_eq!(catalog.manifest(&name("x", Some(host)), &tag("1")).unwrap().digest, layout.manifests[0].digest);
        }
        let hosts = vec!["a.example".to_owned(), "b.example".to_owned()];
        let Err(NoManifest::Ambiguous { hosts: mut found }) = catalog.manifest(&name("x", None), &tag("1")) else {
            panic!("not ambiguous")
        };
        found.sort();
        assert_eq!(found, hosts);
    }

    #[test]
    fn one_tag_for_two_processors_is_an_index() {
        let images = [image("a.example/x", "1", Architecture::Amd64), image("a.example/x", "1", Architecture::Arm64)];
        let catalog = catalog(&images);
        let index = catalog.manifest(&name("x", None), &tag("1")).unwrap();
        assert_eq!((index.media_type.as_str(), index.digest), (INDEX, Digest::of(&index.text)));
        let index: serde_json::Value = serde_json::from_slice(&index.text).unwrap();
        assert_eq!(index["manifests"][1]["platform"]["architecture"], "arm64");
        let second = index["manifests"][1]["digest"].as_str().unwrap().trim_start_matches("sha256:").parse().unwrap();
        assert!(catalog.manifest(&name("x", None), &Reference::Digest(second)).is_ok());
    }

    #[test]
    fn names_are_read_as_containerd_reads_them() {
        for (given, host, path) in [
            ("registry.k8s.io/pause", "registry.k8s.io", "pause"),
            ("localhost/a/b", "localhost", "a/b"),
            ("r.example:5000/a", "r.example:5000", "a"),
            ("docker.io/busybox", "docker.io", "library/busybox"),
            ("busybox", "docker.io", "library/busybox"),
            ("grafana/loki", "docker.io", "grafana/loki"),
        ] {
            assert_eq!(host_and_path(given), (host.to_owned(), path.to_owned()));
        }
    }
}
