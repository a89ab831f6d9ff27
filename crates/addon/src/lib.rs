//! Add-ons: what each is, needs and accepts, and the cluster objects that it comes to.
//!
//! An add-on is a folder of data: `addon.toml`, `settings.schema.json` and `objects/*.yaml`. Those of barque lie in `addons/` and are embedded;
//! a user's own are read by the caller and given here as texts. Same add-on, same settings, same cluster: same objects, byte for byte.

mod addon;
mod awaited;
mod certificate;
mod description;
mod error;
mod images;
mod library;
mod object;
mod order;
mod own;
mod render;
mod rights;
mod rule;
mod schema;
mod yaml;

#[cfg(test)]
mod tests;

pub use addon::{Addon, Files};
pub use certificate::certificates;
pub use description::{AddonImage, Check, Words};
pub use error::{AddonError, OrderFault};
pub use images::ImageUse;
pub use library::Library;
pub use object::{name_of, owner_of};
pub use order::in_order;
pub use own::is_kustomization;
pub use render::Rendered;
pub use rights::rights;
pub use rule::Said;
pub use schema::{Fault, FaultKind, Member, SettingsSchema};
pub use yaml::documents;
