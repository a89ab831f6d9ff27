//! The images of a cluster: what needs each, and what the bundle has of it.

use barque_bundle::{Architecture, ArtifactKind, Bundle};
use serde::Serialize;

use crate::{Context, EngineError};

/// An image for one processor architecture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRow {
    /// Reference by which pods name it.
    pub reference: String,
    /// Digest of its manifest, as registries name it; none when the bundle does not have the image.
    pub digest: Option<String>,
    /// For which processors.
    pub architecture: Option<Architecture>,
    /// What it takes in the bundle, in bytes.
    pub size: Option<u64>,
    /// What needs it; none for an image that only the bundle has.
    pub needed_by: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
    /// Nodes pull it from its registry or a mirror of it: no bundle has it.
    pub is_pulled: bool,
}

/// All images that the cluster needs or the bundle has, sorted by reference. Reads the images, not the hosts.
pub fn images(context: &Context) -> Result<Vec<ImageRow>, EngineError> {
    let bundle = Bundle::open(&context.options.bundle)?;
    let mut needs = barque_render::needed_images(&context.cluster, &context.release);
    needs.extend(crate::addons::images(&context.addons, &context.cluster)?);
    let needed_by = |reference: &str| {
        let need = needs.iter().find(|need| need.reference == reference)?;
        Some(need.needed_by.clone())
    };
    let mut rows = Vec::new();
    for image in bundle.artifacts().iter().filter(|artifact| artifact.kind == ArtifactKind::Image) {
        let identity = bundle.image_identity(image)?;
        let reference = identity.reference.unwrap_or_else(|| format!("{}:{}", image.name, image.version));
        rows.push(ImageRow {
            needed_by: needed_by(&reference),
            reference,
            digest: Some(identity.digest),
            architecture: Some(image.architecture),
            size: Some(image.compressed_size),
            source: Some(image.source.clone()),
            is_pulled: false,
        });
    }
    let absent = |reference: String, needed_by: String, is_pulled: bool| ImageRow {
        reference,
        digest: None,
        architecture: None,
        size: None,
        needed_by: Some(needed_by),
        source: None,
        is_pulled,
    };
    let pulled = crate::addons::pulled_images(&context.addons, &context.cluster)?;
    let missing = needs.into_iter().map(|need| absent(need.reference, need.needed_by, false));
    let pulled = pulled.into_iter().map(|(reference, needed_by)| absent(reference, needed_by, true));
    let others: Vec<ImageRow> = missing.chain(pulled).filter(|other| rows.iter().all(|row| row.reference != other.reference)).collect();
    rows.extend(others);
    rows.sort();
    Ok(rows)
}
