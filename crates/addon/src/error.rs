//! What can be wrong with an add-on.

use barque_model::AddonName;

/// Why an add-on cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddonError {
    /// The folder holds no file that could be one of an add-on.
    #[error("there is no object in it")]
    Nothing,
    /// `addon.toml` is not as it must be.
    #[error("`addon.toml` is not right: {0}")]
    Description(String),
    /// The folder describes another add-on.
    #[error("`addon.toml` describes `{found}`, not `{wanted}`")]
    OtherName {
        /// The name in it.
        found: String,
        /// The name wanted.
        wanted: String,
    },
    /// `settings.schema.json` is not as it must be.
    #[error("`settings.schema.json` is not right: {0}")]
    Schema(String),
    /// A file of objects is not YAML, before or after its template was filled in.
    #[error("`{file}` is not right: {message}")]
    Objects {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A kustomization, and nothing here that builds it.
    #[error("it is a kustomization, and neither `kubectl` nor `kustomize` is installed here to build it")]
    Kustomization,
    /// A Secret asks for a certificate that it does not get.
    #[error("`{object}`: {message}")]
    Certificate {
        /// The Secret.
        object: String,
        /// Why not.
        message: String,
    },
    /// Two objects are the same.
    #[error("`{0}` is in it twice")]
    Twice(String),
}

impl AddonError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Nothing => "name a folder or file with Kubernetes objects in YAML; a chart must be rendered first: `helm template NAME CHART > FILE.yaml`".to_owned(),
            Self::Description(_) | Self::Schema(_) => "see docs/addons.md for its fields".to_owned(),
            Self::OtherName { found, .. } => format!("write `name: {found}`, or change `name` in `addon.toml`"),
            Self::Objects { file, .. } => format!("correct `{file}`; a template is filled in with `settings`, `cluster`, `images` and `addon`"),
            Self::Kustomization => "install one of them, or build it elsewhere (`kubectl kustomize FOLDER > FILE.yaml`) and name that file".to_owned(),
            Self::Certificate { .. } => format!("correct its annotation `{}`; see \"Certificates\" in docs/addons.md", barque_model::CERTIFICATE_ANNOTATION),
            Self::Twice(_) => "remove one of the two".to_owned(),
        }
    }
}

/// Why add-ons have no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// An add-on that is needed is not on.
    #[error("add-on `{addon}` needs `{needed}`, which is not on")]
    Missing {
        /// Who needs it.
        addon: AddonName,
        /// What is needed.
        needed: AddonName,
    },
    /// Add-ons need each other.
    #[error("add-ons need each other: {}", .0.iter().map(AddonName::as_str).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<AddonName>),
}

impl OrderFault {
    /// The add-on that the fault is told of.
    pub fn addon(&self) -> Option<&AddonName> {
        match self {
            Self::Missing { addon, .. } => Some(addon),
            Self::Cycle(names) => names.first(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { needed, .. } => format!("turn it on too: `- name: {needed}`"),
            Self::Cycle(_) => "take one `needs` out of an `addon.toml` of yours".to_owned(),
        }
    }
}
