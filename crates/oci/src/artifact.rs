//! A bundle as an OCI manifest. Media types and members are those of the OCI image specification 1.1 ("Guidelines for Artifact Usage").

use std::collections::BTreeMap;

use barque_bundle::{Artifact, Bundle};
use barque_model::Digest;
use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OciDescriptor, OciImageManifest};

/// What the whole is.
pub(crate) const ARTIFACT: &str = "application/vnd.barque.bundle.v1";
/// The bundle's own manifest.
const MANIFEST: &str = "application/vnd.barque.bundle.manifest.v1+json";
/// A blob of the bundle, as it lies there.
const BLOB: &str = "application/vnd.barque.bundle.blob.v1+zstd";
/// The signature of the bundle's manifest, as minisign writes it.
pub(crate) const SIGNATURE: &str = "application/vnd.barque.bundle.signature.v1";
/// The name of a layer as a file; ORAS and others write it so.
const TITLE: &str = "org.opencontainers.image.title";

/// The manifest of `bundle`: the same bundle with the same signature gives the same bytes.
pub(crate) fn manifest(bundle: &Bundle, signature: Option<&str>) -> OciImageManifest {
    let mut layers: Vec<OciDescriptor> = bundle.blobs().into_iter().map(blob).collect();
    layers.extend(signature.map(|text| describe(SIGNATURE, &name_of(text.as_bytes()), text.len() as u64, "manifest.json.minisig")));
    OciImageManifest {
        media_type: Some(IMAGE_MANIFEST_MEDIA_TYPE.to_owned()),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: describe(MANIFEST, &name_of(bundle.text()), bundle.text().len() as u64, "manifest.json"),
        layers,
        ..OciImageManifest::default()
    }
}

/// The layer that the blob of `artifact` is.
pub(crate) fn blob(artifact: &Artifact) -> OciDescriptor {
    let digest = format!("sha256:{}", artifact.compressed_digest);
    describe(BLOB, &digest, artifact.compressed_size, &format!("blobs/{}.zst", artifact.digest))
}

/// The digest of `content` as registries write it.
pub(crate) fn name_of(content: &[u8]) -> String {
    format!("sha256:{}", Digest::of(content))
}

fn describe(kind: &str, digest: &str, size: u64, title: &str) -> OciDescriptor {
    OciDescriptor {
        media_type: kind.to_owned(),
        digest: digest.to_owned(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        annotations: Some(BTreeMap::from([(TITLE.to_owned(), title.to_owned())])),
        ..OciDescriptor::default()
    }
}
