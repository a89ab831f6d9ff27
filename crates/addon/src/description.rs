//! `addon.toml`: what an add-on is.

use barque_model::{AddonName, Version};
use serde::{Deserialize, Serialize};

use crate::AddonError;

/// The text of an add-on in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// An image that an add-on's pods are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddonImage {
    /// Its name in templates: `images.NAME`.
    pub name: String,
    /// Reference by which pods name it, with its tag.
    pub reference: String,
    /// Its name in the bundle; none for an image that nodes pull from its registry.
    #[serde(default)]
    pub artifact: Option<String>,
    /// Its version in the bundle, without a leading `v`.
    #[serde(default)]
    pub version: String,
}

/// What must hold once an add-on is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Check {
    /// Every replica of a Deployment is ready, two of them or more on different nodes where there are several.
    DeploymentReady {
        /// Its namespace; the add-on's own when left out.
        #[serde(default)]
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A DaemonSet has a ready pod on every node that it is for.
    DaemonSetReady {
        /// Its namespace; the add-on's own when left out.
        #[serde(default)]
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Every pod of a StatefulSet is ready and of its latest template.
    StatefulSetReady {
        /// Its namespace; the add-on's own when left out.
        #[serde(default)]
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server reaches what serves an API group.
    ApiServiceAvailable {
        /// Its name, such as `v1beta1.metrics.k8s.io`.
        name: String,
    },
    /// A path of the API answers.
    Answers {
        /// The path, with a leading `/`.
        path: String,
        /// Entries that the list it answers has at least.
        #[serde(default)]
        items: u32,
    },
}

/// An add-on that is needed with a setting only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionalNeed {
    /// Name of a setting that is true or false; true is meant.
    pub(crate) setting: String,
    /// The add-on.
    pub(crate) addon: AddonName,
}

/// `addon.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) name: AddonName,
    pub(crate) version: String,
    #[serde(rename = "description")]
    pub(crate) words: Words,
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) needs: Vec<AddonName>,
    #[serde(default, rename = "needsWhen")]
    pub(crate) needs_when: Vec<ConditionalNeed>,
    #[serde(default, rename = "rule")]
    pub(crate) rules: Vec<crate::rule::Rule>,
    #[serde(default)]
    pub(crate) kubernetes: Range,
    #[serde(default, rename = "image")]
    pub(crate) images: Vec<AddonImage>,
    #[serde(default, rename = "check")]
    pub(crate) checks: Vec<Check>,
}

/// Minor versions of Kubernetes, such as `1.34`; either end may be open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) to: Option<String>,
}

impl Range {
    pub(crate) fn holds(&self, version: Version) -> bool {
        let minor = |text: &Option<String>| text.as_deref().and_then(minor_of);
        let this = (version.major, version.minor);
        minor(&self.from).is_none_or(|from| from <= this) && minor(&self.to).is_none_or(|to| this <= to)
    }

    pub(crate) fn words(&self) -> String {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{from} to {to}"),
            (Some(from), None) => format!("{from} or later"),
            (None, Some(to)) => format!("{to} or earlier"),
            (None, None) => "any".to_owned(),
        }
    }
}

fn minor_of(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Description {
    pub(crate) fn read(text: &str) -> Result<Self, AddonError> {
        let mut found: Self = toml::from_str(text).map_err(|error| AddonError::Description(error.message().to_owned()))?;
        let range = &found.kubernetes;
        if let Some(bad) = range.from.iter().chain(&range.to).find(|text| minor_of(text).is_none()) {
            return Err(AddonError::Description(format!("`{bad}` is not a minor version such as `1.34`")));
        }
        for image in &found.images {
            let tagged = image.reference.rsplit('/').next().is_some_and(|last| last.contains(':') || last.contains('@'));
            if !tagged {
                return Err(AddonError::Description(format!("image `{}` has neither a tag nor a digest", image.reference)));
            }
        }
        for check in &mut found.checks {
            if let Check::DeploymentReady { namespace, .. }
            | Check::DaemonSetReady { namespace, .. }
            | Check::StatefulSetReady { namespace, .. } = check
                && namespace.is_empty()
            {
                namespace.clone_from(&found.namespace);
            }
        }
        Ok(found)
    }
}
