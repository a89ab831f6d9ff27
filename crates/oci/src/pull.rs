//! Fetches a bundle from a registry into a folder.

use std::path::Path;

use barque_bundle::{Arrival, Artifact, Bundle, PublicKey, SignatureError, check_manifest};
use futures::TryStreamExt as _;
use oci_client::client::BlobResponse;
use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use tokio::io::AsyncWriteExt as _;

use crate::access::{Access, Registry};
use crate::artifact::{ARTIFACT, SIGNATURE, blob, name_of};
use crate::error::{OciError, OciErrorKind};
use crate::place::Place;

/// Bytes of a bundle's manifest or signature at most; those of a full bundle have some tens of thousands.
const MAX_TEXT: i64 = 16 << 20;
/// Tries for each blob: a cut link is gone on with where it was cut.
const TRIES: u32 = 4;

/// Fetches the bundle at `place` into `folder`, which is made or is a bundle already; what is there and right is not fetched. Everything is verified by its
/// digest; with `key`, a bundle that it has not signed is refused before a blob is fetched. `progress` is told the size of all that is to be fetched, and then the
/// number of bytes since it was last told.
pub async fn pull(
    place: &Place,
    access: &Access,
    folder: &Path,
    key: Option<&PublicKey>,
    progress: &dyn Fn(Progress),
) -> Result<Bundle, OciError> {
    let registry = access.registry(place)?;
    let manifest = manifest(&registry, place).await?;
    let text = text(&registry, place, &manifest.config, "the bundle's manifest").await?;
    let signature = match manifest.layers.iter().find(|layer| layer.media_type == SIGNATURE) {
        Some(layer) => {
            let bytes = self::text(&registry, place, layer, "the bundle's signature").await?;
            Some(
                String::from_utf8(bytes)
                    .map_err(|error| OciError::new(place, "read the signature", error.to_string(), OciErrorKind::Changed))?,
            )
        }
        None => None,
    };
    if let Some(key) = key {
        let refused = |error: SignatureError| OciError::new(place, "trust the bundle", error.to_string(), OciErrorKind::Signature);
        check_manifest(&text, signature.as_deref(), key, Path::new(&place.to_string())).map_err(refused)?;
    }
    let wrong = |error| OciError::bundle(place, format!("take the bundle into `{}`", folder.display()), &error);
    let arrival = Arrival::begin(folder, &text).map_err(wrong)?;
    let missing = arrival.missing();
    progress(Progress::Total(missing.iter().map(|artifact| artifact.compressed_size).sum()));
    let way = Way { registry: &registry, place, arrival: &arrival, progress };
    for artifact in &missing {
        fetch(&way, artifact).await?;
    }
    arrival.finish(signature.as_deref()).map_err(wrong)
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes that are to be fetched.
    Total(u64),
    /// Bytes that came.
    Bytes(u64),
}

async fn manifest(registry: &Registry, place: &Place) -> Result<OciImageManifest, OciError> {
    let action = "read the manifest";
    let asked = registry.client.pull_manifest_raw(place.reference(), &registry.auth, &[IMAGE_MANIFEST_MEDIA_TYPE]).await;
    let (bytes, _) = asked.map_err(|error| OciError::of(place, action, &error))?;
    // What a digest pins is compared here as well: the library trusts the registry's header where there is one.
    if let Some(pinned) = place.digest().filter(|pinned| *pinned != name_of(&bytes)) {
        return Err(OciError::new(place, action, format!("it is {} in place of {pinned}", name_of(&bytes)), OciErrorKind::Changed));
    }
    let manifest: OciImageManifest =
        serde_json::from_slice(&bytes).map_err(|error| OciError::new(place, action, error.to_string(), OciErrorKind::NotABundle))?;
    if manifest.artifact_type.as_deref() != Some(ARTIFACT) {
        let found = manifest.artifact_type.as_deref().unwrap_or("an image");
        return Err(OciError::new(place, action, format!("what lies there is {found}, no bundle"), OciErrorKind::NotABundle));
    }
    Ok(manifest)
}

/// A small blob as a whole, verified.
async fn text(registry: &Registry, place: &Place, layer: &OciDescriptor, what: &str) -> Result<Vec<u8>, OciError> {
    let action = || format!("read {what}");
    if !(0..=MAX_TEXT).contains(&layer.size) {
        return Err(OciError::new(place, action(), format!("it has {} bytes", layer.size), OciErrorKind::NotABundle));
    }
    let mut bytes = Vec::new();
    registry.client.pull_blob(place.reference(), layer, &mut bytes).await.map_err(|error| OciError::of(place, action(), &error))?;
    if name_of(&bytes) != layer.digest {
        return Err(OciError::new(
            place,
            action(),
            format!("it is {} in place of {}", name_of(&bytes), layer.digest),
            OciErrorKind::Changed,
        ));
    }
    Ok(bytes)
}

/// Between a registry and the folder that becomes the bundle.
struct Way<'a> {
    registry: &'a Registry,
    place: &'a Place,
    arrival: &'a Arrival,
    progress: &'a dyn Fn(Progress),
}

/// Fetches one blob, going on where a former try was cut off.
async fn fetch(way: &Way<'_>, artifact: &Artifact) -> Result<(), OciError> {
    let &Way { place, arrival, progress, .. } = way;
    let action = || format!("fetch {artifact}");
    let mut tried = 1;
    let (_, there) = arrival.partial(artifact).map_err(|error| OciError::bundle(place, action(), &error))?;
    progress(Progress::Bytes(there));
    loop {
        match piece(way, artifact).await {
            Ok(()) => break,
            Err(error) if error.is_retryable() && tried < TRIES => tokio::time::sleep(std::time::Duration::from_secs(1 << tried)).await,
            Err(error) => return Err(error),
        }
        tried += 1;
    }
    arrival.accept(artifact).map_err(|error| OciError { kind: OciErrorKind::Changed, ..OciError::bundle(place, action(), &error) })
}

/// Writes what is missing of a blob behind what is there.
async fn piece(way: &Way<'_>, artifact: &Artifact) -> Result<(), OciError> {
    let &Way { registry, place, arrival, progress } = way;
    let action = || format!("fetch {artifact}");
    let unwritten = |error: std::io::Error| OciError::new(place, action(), error.to_string(), OciErrorKind::Bundle);
    let (path, there) = arrival.partial(artifact).map_err(|error| OciError::bundle(place, action(), &error))?;
    if there == artifact.compressed_size {
        return Ok(());
    }
    let layer = blob(artifact);
    let length = artifact.compressed_size - there;
    let asked = match there {
        0 => registry.client.pull_blob_stream(place.reference(), &layer).await.map(BlobResponse::Full),
        _ => registry.client.pull_blob_stream_partial(place.reference(), &layer, there, Some(length)).await,
    };
    let (mut stream, begins) = match asked.map_err(|error| OciError::of(place, action(), &error))? {
        BlobResponse::Full(stream) => (stream.stream, 0),
        BlobResponse::Partial(stream) => (stream.stream, there),
    };
    let mut file = tokio::fs::File::options().create(true).write(true).truncate(false).open(&path).await.map_err(unwritten)?;
    file.set_len(begins).await.map_err(unwritten)?;
    tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(begins)).await.map_err(unwritten)?;
    let mut written = begins;
    let cut = loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => {
                written += bytes.len() as u64;
                if written > artifact.compressed_size {
                    return Err(OciError::new(place, action(), "more bytes came than there are in it", OciErrorKind::Changed));
                }
                file.write_all(&bytes).await.map_err(unwritten)?;
                progress(Progress::Bytes(bytes.len() as u64));
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    // What came before a cut is kept for the next try.
    file.flush().await.map_err(unwritten)?;
    match cut {
        // All of it came, and the library says that it is not what the digest names: what accepts it says the same, and deletes it.
        Some(_) if written == artifact.compressed_size => Ok(()),
        Some(error) => Err(OciError::new(place, action(), error.to_string(), OciErrorKind::Unreachable)),
        None if written < artifact.compressed_size => Err(OciError::new(
            place,
            action(),
            format!("it ended after {written} of {} bytes", artifact.compressed_size),
            OciErrorKind::Unreachable,
        )),
        None => Ok(()),
    }
}
