//! Add-ons: read, rendered for the cluster, compared with what barque applied before.

mod applied;
mod awaited;
mod health;
mod images;
mod kept;
mod kustomize;
mod listing;
mod load;
mod wanted;

pub(crate) use applied::{ledger, present};
pub use awaited::AwaitedObject;
pub(crate) use awaited::awaited;
pub use health::{AddonDiff, AddonHealth, AddonHealthReport, CheckHealth, addon_diff, addon_health};
pub use images::addon_images;
pub(crate) use images::{images, pulled_images, rendered};
pub use kept::KeptDefinition;
pub use listing::{AddonDetail, AddonRow, AddonSetting, addon_detail, addon_rows};
pub(crate) use load::library;
pub(crate) use wanted::wanted;
