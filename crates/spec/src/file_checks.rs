//! Checks of hosts in the cluster file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::Field;

/// Checks of hosts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Checks {
    /// Findings that are known and accepted: they are listed with their reason, do not count, and do not stop `up`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) accept: Field<Vec<Field<Accept>>>,
}

/// A finding that is accepted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Accept {
    /// Identifier of the check, as `barque check` shows it, such as `docker`. `barque explain check ID` says what it means.
    pub(crate) id: Field<String>,
    /// Why it is accepted.
    pub(crate) reason: Field<String>,
    /// Names of the hosts on which it is accepted.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "all hosts"))]
    pub(crate) hosts: Field<Vec<Field<String>>>,
}
