//! Artifacts: what a cluster is made of, by digest. A bundle is a folder with `manifest.json` and `blobs/`, or one file with the same.

mod archive;
mod arrival;
mod comparison;
mod compress;
mod error;
mod fault;
mod image;
mod key;
mod layout;
mod manifest;
mod manifest_text;
mod pack;
mod place;
mod selection;
mod signature;
mod store;
mod surplus;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verification;
mod verify;

pub use archive::Span;
pub use arrival::Arrival;
pub use comparison::{Change, Comparison, size};
pub use error::BundleError;
pub use fault::{Content, Fault, FaultKind};
pub use image::ImageIdentity;
pub use key::{KeyId, PublicKey, SecretKey, make_keys};
pub use layout::{ImageLayout, ImageManifest};
pub use manifest::{ANY_DISTRIBUTION, Architecture, Artifact, ArtifactKind, MANIFEST_FORMAT, UNKNOWN_LICENCE};
pub use pack::Packed;
pub use place::Blob;
pub use selection::Selection;
pub use signature::{SignatureError, check_manifest};
pub use store::{Bundle, Description};
pub use surplus::Surplus;
pub use verification::Verification;
