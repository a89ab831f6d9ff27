//! Artifacts: what a cluster is made of, by digest. A bundle is a folder with `manifest.json` and `blobs/`.

mod error;
mod manifest;
mod store;
mod verify;

pub use error::BundleError;
pub use manifest::{Architecture, Artifact, ArtifactKind, MANIFEST_FORMAT, Manifest};
pub use store::{Bundle, Description};
