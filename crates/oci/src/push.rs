//! Sends a bundle to a registry.

use barque_bundle::{Artifact, Bundle};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::HeaderValue;
use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::IMAGE_MANIFEST_MEDIA_TYPE;
use tokio_util::io::ReaderStream;

use crate::access::{Access, Registry};
use crate::artifact::{blob, manifest, name_of};
use crate::error::{OciError, OciErrorKind};
use crate::place::Place;

/// What a push has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Digest of the manifest, `sha256:…`: pins the bundle.
    pub digest: String,
    /// Blobs sent.
    pub sent: usize,
    /// Blobs that were there.
    pub present: usize,
    /// Bytes sent.
    pub bytes: u64,
}

/// Sends what the registry does not have of `bundle` to `place`; the manifest comes last, so that a push that was cut off leaves nothing that could be pulled,
/// and the next one goes on. Every blob is verified before it is sent. `progress` is told the number of bytes since it was last told, of what was there as well.
pub async fn push(bundle: &Bundle, place: &Place, access: &Access, progress: &dyn Fn(u64)) -> Result<Pushed, OciError> {
    let signature = bundle.signature().map_err(|error| OciError::new(place, "read the bundle", error.to_string(), OciErrorKind::Bundle))?;
    let registry = access.registry(place)?;
    let authenticated = registry.client.auth(place.reference(), &registry.auth, RegistryOperation::Push).await;
    authenticated.map_err(|error| OciError::of(place, "log in", &error))?;
    let mut pushed = Pushed { digest: String::new(), sent: 0, present: 0, bytes: 0 };
    for artifact in bundle.blobs() {
        if is_there(&registry, place, &blob(artifact).digest).await? {
            pushed.present += 1;
        } else {
            send_blob(&registry, place, bundle, artifact).await?;
            pushed.sent += 1;
            pushed.bytes += artifact.compressed_size;
        }
        progress(artifact.compressed_size);
    }
    let texts = [Some(Bytes::copy_from_slice(bundle.text())), signature.as_ref().map(|text| Bytes::copy_from_slice(text.as_bytes()))];
    for text in texts.into_iter().flatten() {
        let digest = name_of(&text);
        if !is_there(&registry, place, &digest).await? {
            let sent = registry.client.push_blob(place.reference(), text, &digest).await;
            sent.map_err(|error| OciError::of(place, "send the bundle's manifest", &error))?;
        }
    }
    let manifest = serde_json::to_vec(&manifest(bundle, signature.as_deref()))
        .map_err(|error| OciError::new(place, "make the manifest", error.to_string(), OciErrorKind::Other))?;
    pushed.digest = name_of(&manifest);
    let kind = HeaderValue::from_static(IMAGE_MANIFEST_MEDIA_TYPE);
    let sent = registry.client.push_manifest_raw(place.reference(), manifest, kind).await;
    sent.map_err(|error| OciError::of(place, "write the manifest", &error))?;
    Ok(pushed)
}

async fn is_there(registry: &Registry, place: &Place, digest: &str) -> Result<bool, OciError> {
    let asked = registry.client.blob_exists(place.reference(), digest).await;
    asked.map_err(|error| OciError::of(place, format!("ask for blob {digest}"), &error))
}

async fn send_blob(registry: &Registry, place: &Place, bundle: &Bundle, artifact: &Artifact) -> Result<(), OciError> {
    let action = || format!("send {artifact}");
    bundle.verify_compressed(artifact).map_err(|error| OciError::bundle(place, action(), &error))?;
    let blob_file = bundle.open_blob(&artifact.digest).map_err(|error| OciError::bundle(place, action(), &error))?;
    let size = blob_file.size();
    let file = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(blob_file.into_file()), size);
    let stream = ReaderStream::with_capacity(file, 256 << 10).map_err(OciDistributionError::IoError);
    let sent = registry.client.push_blob_stream(place.reference(), stream, &blob(artifact).digest, Some(size)).await;
    sent.map(drop).map_err(|error| OciError::of(place, action(), &error))
}
