//! Add-ons in the cluster file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::field::{self, Field};

/// An add-on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct AddonEntry {
    /// Name of the add-on: one that `barque addons list` shows, or any other for one of your own.
    pub(crate) name: Field<String>,
    /// Whether it is on. What was applied for one that is off is removed.
    #[serde(default = "on")]
    pub(crate) enabled: Field<bool>,
    /// Its settings; `barque addons show NAME` lists them.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the add-on's own"))]
    pub(crate) settings: Field<Freeform>,
    /// For one of your own: a folder or file with its objects, relative to the cluster file.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "barque's add-on of this name"))]
    pub(crate) from: Field<String>,
}

fn on() -> Field<bool> {
    field::default(true)
}

/// A mapping whose fields another schema describes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Freeform(pub(crate) serde_json::Value);

impl JsonSchema for Freeform {
    fn schema_name() -> Cow<'static, str> {
        "Freeform".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}
