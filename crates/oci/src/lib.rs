//! Bundles in registries, as OCI artifacts: pushed, and pulled again; and a registry made of a bundle.
//!
//! The only crate that knows the `oci-client` library. A bundle becomes one manifest: its own manifest is the config, each blob a layer of the
//! very bytes that lie in the bundle, so that registries keep what two bundles share once, and a second push sends only what is new.

mod access;
mod artifact;
mod docker;
mod error;
mod images;
mod place;
mod pull;
mod push;
pub mod serve;

pub use access::Access;
pub use docker::credentials;
pub use error::{OciError, OciErrorKind};
pub use images::{ImagesPlace, PushedImages, push_images};
pub use place::{InvalidPlace, Place, SCHEME};
pub use pull::{Progress, pull};
pub use push::{Pushed, push};
