//! Sends the images of a bundle to a registry, each under a name of its own, so that nodes and people pull them from there.

use std::fmt;
use std::str::FromStr;

use barque_bundle::Bundle;
use barque_model::Digest;
use futures::stream::{self, TryStreamExt as _};
use http::HeaderValue;
use oci_client::errors::OciDistributionError;
use oci_client::{Reference, RegistryOperation};

use crate::access::{Access, Registry};
use crate::error::{OciError, OciErrorKind};
use crate::place::{InvalidPlace, Place, SCHEME, is_registry};
use crate::serve::{Catalog, Manifest, Repository, Source, pieces};

const FORM: &str = "oci://HOST[:PORT]/FOLDER";

/// A folder of a registry, below which images go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagesPlace {
    registry: String,
    folder: String,
}

impl ImagesPlace {
    /// The registry's host, with its port when one is given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The folder that the images of the registry `host` go to, from the root of the registry.
    pub fn folder_of(&self, host: &str) -> String {
        // A port: no part of a name has a colon.
        format!("{}/{}", self.folder, host.replace(':', "-"))
    }

    /// What may be asked before anything is sent, so that its errors name the place.
    fn root(&self) -> Result<Place, InvalidPlace> {
        self.image("host", "name", "tag")
    }

    fn image(&self, host: &str, path: &str, tag: &str) -> Result<Place, InvalidPlace> {
        let text = format!("{}/{}/{path}:{tag}", self.registry, self.folder_of(host));
        let reference: Result<Reference, _> = text.parse();
        reference.map(Place::of).map_err(|error| InvalidPlace { text, reason: error.to_string(), form: FORM })
    }
}

impl FromStr for ImagesPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason: &str| InvalidPlace { text: text.to_owned(), reason: reason.to_owned(), form: FORM };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (registry, folder) =
            rest.split_once('/').filter(|(_, folder)| !folder.is_empty()).ok_or_else(|| wrong("it names no folder"))?;
        if !is_registry(registry) {
            return Err(wrong("its registry has no dot and no port"));
        }
        if folder.contains([':', '@']) {
            return Err(wrong("images have tags of their own"));
        }
        let place = Self { registry: registry.to_owned(), folder: folder.trim_end_matches('/').to_owned() };
        place.root().map_err(|error| wrong(&error.reason))?;
        Ok(place)
    }
}

impl fmt::Display for ImagesPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}/{}", self.registry, self.folder)
    }
}

/// What a push of images has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushedImages {
    /// Name in the registry and digest, `sha256:…`, of each image.
    pub images: Vec<(String, String)>,
    /// Blobs sent.
    pub sent: usize,
    /// Blobs that were there.
    pub present: usize,
    /// Bytes sent.
    pub bytes: u64,
}

/// Sends what the registry does not have of the images of `bundle`, which `catalog` lists, to `place`. The tag of an image comes after all of its parts, so that a
/// push that was cut off leaves nothing that could be pulled, and the next one goes on. The registry compares every part with its digest. `progress` is told
/// the number of bytes since it was last told, of what was there as well.
pub async fn push_images(
    bundle: &Bundle,
    catalog: &Catalog,
    place: &ImagesPlace,
    access: &Access,
    progress: &dyn Fn(u64),
) -> Result<PushedImages, OciError> {
    let mut pushed = PushedImages::default();
    for (host, path, repository) in catalog.repositories() {
        // The name of its parts is that of any of its tags.
        let Some(first) = repository.tags.keys().next() else { continue };
        let at = named(place, host, path, first)?;
        let registry = access.registry(&at)?;
        let authenticated = registry.client.auth(at.reference(), &registry.auth, RegistryOperation::Push).await;
        authenticated.map_err(|error| OciError::of(&at, "log in", &error))?;
        for (digest, source) in parts(repository) {
            let name = format!("sha256:{digest}");
            let there = registry.client.blob_exists(at.reference(), &name).await;
            if there.map_err(|error| OciError::of(&at, format!("ask for blob {name}"), &error))? {
                pushed.present += 1;
            } else {
                send(&registry, &at, bundle, &name, source).await?;
                pushed.sent += 1;
                pushed.bytes += source.span.size;
            }
            progress(source.span.size);
        }
        for (tag, digest) in &repository.tags {
            let at = named(place, host, path, tag)?;
            let Some(manifest) = repository.manifests.get(digest) else { continue };
            // An image for several processors: its own tag names the manifests that it consists of.
            for part in repository.manifests.values().filter(|part| part.digest != *digest && manifest.names(&part.digest)) {
                let pinned = Place::of(at.reference().clone_with_digest(format!("sha256:{}", part.digest)));
                write(&registry, &pinned, part).await?;
            }
            write(&registry, &at, manifest).await?;
            pushed.images.push((at.to_string().trim_start_matches(SCHEME).to_owned(), format!("sha256:{digest}")));
        }
    }
    Ok(pushed)
}

fn named(place: &ImagesPlace, host: &str, path: &str, tag: &str) -> Result<Place, OciError> {
    place.image(host, path, tag).map_err(|error| OciError {
        place: place.to_string(),
        action: format!("name {host}/{path}:{tag}"),
        message: error.to_string(),
        kind: OciErrorKind::Other,
    })
}

/// The blobs of a repository that are no manifests.
fn parts(repository: &Repository) -> impl Iterator<Item = (&Digest, Source)> {
    let blobs = repository.blobs.iter().filter(|(digest, _)| !repository.manifests.contains_key(digest));
    blobs.map(|(digest, source)| (digest, *source))
}

async fn send(registry: &Registry, place: &Place, bundle: &Bundle, name: &str, source: Source) -> Result<(), OciError> {
    let action = || format!("send blob {name}");
    let pieces = pieces(bundle, &source).map_err(|error| OciError::bundle(place, action(), &error))?;
    let content = stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) });
    let content = content.map_err(OciDistributionError::IoError);
    let sent = registry.client.push_blob_stream(place.reference(), content, name, Some(source.span.size)).await;
    sent.map(drop).map_err(|error| OciError::of(place, action(), &error))
}

async fn write(registry: &Registry, place: &Place, manifest: &Manifest) -> Result<(), OciError> {
    let action = "write the manifest";
    let kind = HeaderValue::from_str(&manifest.media_type);
    let kind = kind.map_err(|error| OciError::new(place, action, error.to_string(), OciErrorKind::Bundle))?;
    let written = registry.client.push_manifest_raw(place.reference(), manifest.text.to_vec(), kind).await;
    written.map(drop).map_err(|error| OciError::of(place, action, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_are_read_and_images_keep_the_registry_that_they_are_from() {
        let place: ImagesPlace = "oci://registry.example:5000/mirror/k8s/".parse().unwrap();
        assert_eq!((place.to_string().as_str(), place.registry()), ("oci://registry.example:5000/mirror/k8s", "registry.example:5000"));
        let image = |host: &str, path: &str| place.image(host, path, "v1").unwrap().to_string();
        assert_eq!(image("docker.io", "library/caddy"), "oci://registry.example:5000/mirror/k8s/docker.io/library/caddy:v1");
        assert_eq!(image("localhost:5000", "a"), "oci://registry.example:5000/mirror/k8s/localhost-5000/a:v1");
        let wrong = |text: &str| text.parse::<ImagesPlace>().unwrap_err().reason;
        assert_eq!(wrong("registry.example/x"), "it does not begin with oci://");
        assert_eq!(wrong("oci://registry.example"), "it names no folder");
        assert_eq!(wrong("oci://registry.example/"), "it names no folder");
        assert_eq!(wrong("oci://mirror/k8s"), "its registry has no dot and no port");
        assert_eq!(wrong("oci://registry.example/mirror:1"), "images have tags of their own");
        assert!(!wrong("oci://registry.example/Mirror").is_empty());
    }
}
