//! One add-on.

use std::collections::BTreeMap;

use barque_model::{AddonName, Version};
use serde_json::Value;

use crate::description::Description;
use crate::schema::SettingsSchema;
use crate::{AddonError, AddonImage, Check, Words, own};

/// Texts by their path within the folder, such as `objects/10-rights.yaml`.
pub type Files = BTreeMap<String, String>;

const DESCRIPTION: &str = "addon.toml";
const SCHEMA: &str = "settings.schema.json";
const OBJECTS: &str = "objects/";

/// Where its objects come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Objects {
    /// Templates by file name.
    Templates(Files),
    /// Objects as they are.
    Plain(Vec<Value>),
    /// barque renders them itself.
    BuiltIn,
}

/// An add-on: what it is, needs and accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct Addon {
    /// Its name.
    pub name: AddonName,
    /// Its version; that of the program that it runs.
    pub version: String,
    /// One line for people.
    pub description: Words,
    /// The namespace of its pods.
    pub namespace: String,
    /// Add-ons that must be on, and are applied before, whatever the settings are.
    pub needs: Vec<AddonName>,
    pub(crate) needs_when: Vec<crate::description::ConditionalNeed>,
    pub(crate) rules: Vec<crate::rule::Rule>,
    /// Images of its pods.
    pub images: Vec<AddonImage>,
    /// What must hold once it is applied.
    pub checks: Vec<Check>,
    /// What its settings may be.
    pub settings: SettingsSchema,
    pub(crate) kubernetes: crate::description::Range,
    pub(crate) objects: Objects,
}

impl Addon {
    /// Reads an add-on from the texts of its folder. Without `addon.toml` every YAML file in it is a file of objects, which are taken as they
    /// are; `name` is its name then, and otherwise the one that `addon.toml` must have.
    pub fn read(name: &AddonName, files: &Files) -> Result<Self, AddonError> {
        if !files.contains_key(DESCRIPTION) {
            return own::plain(name, files);
        }
        let addon = Self::described(files)?;
        if addon.name == *name { Ok(addon) } else { Err(AddonError::OtherName { found: addon.name.to_string(), wanted: name.to_string() }) }
    }

    pub(crate) fn described(files: &Files) -> Result<Self, AddonError> {
        let description = Description::read(files.get(DESCRIPTION).map_or("", String::as_str))?;
        let settings = match files.get(SCHEMA) {
            Some(text) => SettingsSchema::read(text)?,
            None => SettingsSchema::none(),
        };
        let templates: Files =
            files.iter().filter_map(|(path, text)| Some((path.strip_prefix(OBJECTS)?.to_owned(), text.clone()))).collect();
        if templates.is_empty() {
            return Err(AddonError::Nothing);
        }
        let Description { name, version, words: description, namespace, needs, needs_when, rules, kubernetes, images, checks } =
            description;
        let objects = Objects::Templates(templates);
        Ok(Self { name, version, description, namespace, needs, needs_when, rules, images, checks, settings, kubernetes, objects })
    }

    /// Add-ons that must be on with these settings, and are applied before.
    pub fn needs_with(&self, settings: &Value) -> Vec<AddonName> {
        let conditional = self.needs_when.iter().filter(|need| settings[need.setting.as_str()] == true).map(|need| &need.addon);
        self.needs.iter().chain(conditional).cloned().collect()
    }

    /// Whether it runs on this version of Kubernetes.
    pub fn supports(&self, kubernetes: Version) -> bool {
        self.kubernetes.holds(kubernetes)
    }

    /// The versions of Kubernetes that it runs on, such as `1.34 or later`.
    pub fn kubernetes_words(&self) -> String {
        self.kubernetes.words()
    }

    /// Whether barque renders its objects by itself; such an add-on is always on.
    pub const fn is_built_in(&self) -> bool {
        matches!(self.objects, Objects::BuiltIn)
    }
}
