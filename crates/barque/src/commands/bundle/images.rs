//! `barque images push`: the images of a bundle in a registry.

use anyhow::Result;
use barque_bundle::{ArtifactKind, Bundle, PublicKey};
use barque_engine::EngineError;
use barque_event::exit;
use serde_json::json;

use super::{choice, registry, serve, verify};
use crate::arguments::{ImagesPushArguments, Output};
use crate::terminal::{ByteProgress, bundle as words, print_json, say};

/// Sends what the registry lacks of a bundle's images. The bundle is verified first: nobody should pull what nobody has meant.
pub(crate) fn push_images(arguments: &ImagesPushArguments) -> Result<u8> {
    let bundle = choice::open(&arguments.bundle)?;
    let key = arguments.key.as_deref().map(PublicKey::read).transpose().map_err(EngineError::from)?;
    let access = registry::access(&arguments.registry, arguments.place.registry())?;
    if !verify::is_sound(&bundle, key.as_ref(), "nothing is sent")? {
        return Ok(exit::FAILED);
    }
    let catalog = serve::catalog(&bundle)?;
    let progress = ByteProgress::new("pushed", size_of_images(&bundle));
    let tell = |bytes| progress.add(bytes);
    let pushed = registry::runtime()?.block_on(barque_oci::push_images(&bundle, &catalog, &arguments.place, &access, &tell));
    progress.finish();
    let pushed = pushed.map_err(|error| registry::hinted(&error))?;
    match arguments.output {
        Output::Text => say(&words::pushed_images(&arguments.place, &pushed, &catalog.hosts()))?,
        Output::Json => {
            let images = pushed.images.iter().map(|(name, digest)| json!({"name": name, "digest": digest}));
            print_json(&json!({
                "place": arguments.place.to_string(), "images": images.collect::<Vec<_>>(),
                "sent": pushed.sent, "present": pushed.present, "bytes": pushed.bytes,
            }))?;
        }
    }
    Ok(exit::DONE)
}

/// Bytes of images as registries have them: not compressed, or as their makers compressed them.
fn size_of_images(bundle: &Bundle) -> u64 {
    bundle.artifacts().iter().filter(|artifact| artifact.kind == ArtifactKind::Image).map(|artifact| artifact.size).sum()
}
