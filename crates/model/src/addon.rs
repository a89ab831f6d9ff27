//! Add-ons that a cluster has.

use serde::{Deserialize, Serialize};

use crate::AddonName;

/// An add-on that is on, with everything that it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterAddon {
    /// Its name.
    pub name: AddonName,
    /// Where it comes from.
    pub origin: AddonOrigin,
    /// All its settings, defaults included: a mapping that its schema accepts.
    pub settings: serde_json::Value,
}

/// Where an add-on comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AddonOrigin {
    /// barque brings it.
    Barque,
    /// A folder or file of the user's, as the cluster file names it.
    Own(String),
}

impl AddonOrigin {
    /// The folder or file, for one of the user's.
    pub fn from(&self) -> Option<&str> {
        match self {
            Self::Barque => None,
            Self::Own(from) => Some(from),
        }
    }
}
