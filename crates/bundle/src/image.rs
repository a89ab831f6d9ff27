//! What an image in a bundle is called outside of it.

use std::io::Read as _;

use serde::{Deserialize, Serialize};

use crate::{Artifact, Bundle, BundleError};

/// More is no index.
pub(crate) const INDEX_LIMIT: u64 = 1024 * 1024;

/// Names of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIdentity {
    /// Digest of its manifest, `sha256:` and 64 hexadecimal digits: what registries and `image@digest` name.
    pub digest: String,
    /// The full reference that it carries, such as `registry.k8s.io/pause:3.10.2`.
    pub reference: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(crate) struct Descriptor {
    #[serde(default, rename = "mediaType")]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) annotations: Annotations,
}

#[derive(Default, Deserialize)]
pub(crate) struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    pub(crate) reference: Option<String>,
}

impl Bundle {
    /// Reads the index of an image, for which its whole content is decompressed. Fails with [`BundleError::NotAnImage`].
    pub fn image_identity(&self, image: &Artifact) -> Result<ImageIdentity, BundleError> {
        let not_an_image = || BundleError::NotAnImage { path: self.root().to_owned(), name: image.name.clone() };
        let unreadable = |source| BundleError::Undecodable { path: self.blob_path(&image.digest), source };
        let mut archive = tar::Archive::new(self.open_content(image)?);
        for entry in archive.entries().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if *entry.path_bytes() != *b"index.json" {
                continue;
            }
            let mut text = Vec::new();
            entry.take(INDEX_LIMIT).read_to_end(&mut text).map_err(unreadable)?;
            let index: Index = serde_json::from_slice(&text).map_err(|_| not_an_image())?;
            let Some(Descriptor { digest, annotations, .. }) = index.manifests.into_iter().next() else { return Err(not_an_image()) };
            return Ok(ImageIdentity { digest, reference: annotations.reference });
        }
        Err(not_an_image())
    }
}
