//! Folders of texts inside the binary: packed by a build script, read when they are first asked for. Texts are compressed, because every host gets
//! the binary.

mod folders;
mod pack;

pub use folders::{Folders, unpack};
pub use pack::from_build_script;
