//! Obtains the real components of a release into a bundle: official downloads where they are in reach, else built here
//! from Go modules, a C file and Debian's packages.

mod apt;
mod command;
mod component;
mod copy;
mod download;
mod elf;
mod ensure;
mod error;
mod go;
mod image;
mod layout;
mod licence;
mod packages;
mod pages;
mod portable;
mod progress;
mod recipe;
mod source;
mod toolchain;

pub use component::TOOLBOX_IMAGE;
pub use ensure::{OwnProgram, Request, ensure, ensure_product};
pub use error::ArtifactError;
pub use packages::{CARRIED_PACKAGES, DISTRIBUTION};
pub use progress::Progress;
pub use source::{SourceChoice, UnknownSource};
