//! Registries in the cluster file.

use barque_model::RegistryCapability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{self, Field};

/// Where the images of one registry come from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct RegistryEntry {
    /// Registry as images name it, with its port if it has one: `docker.io`, `registry.example:5000`, or `_default` for every registry that has no entry.
    pub(crate) host: Field<String>,
    /// Servers that are asked for this registry's images, in this order.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) mirrors: Field<Vec<Field<MirrorEntry>>>,
    /// Whether the registry itself is asked when no mirror has the image.
    #[serde(default = "yes")]
    pub(crate) fallback: Field<bool>,
    /// How the registry itself is asked.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub(crate) upstream: Field<UpstreamEntry>,
    /// A small image that every node pulls, and removes again, before its kubelet starts: a mirror that does not answer is found before a pod needs it. Written as pods write it, with registry and tag or digest.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) test_image: Field<String>,
}

/// A server that has images of a registry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct MirrorEntry {
    /// Where it answers: `https://HOST[:PORT][/PATH]`.
    pub(crate) url: Field<String>,
    /// What it may be asked for.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "`pull`, `resolve`"))]
    pub(crate) capabilities: Field<Vec<Field<CapabilityWord>>>,
    /// Whether the URL's path is the root of the registry's API, so that no `/v2` is added to it.
    #[serde(default = "no")]
    pub(crate) override_path: Field<bool>,
    /// Whether the mirror is asked without TLS (`http://`): whoever is on the way can read and change images.
    #[serde(default = "no")]
    pub(crate) plain_http: Field<bool>,
    /// Whether its certificate is taken unseen: whoever is on the way can pose as the mirror.
    #[serde(default = "no")]
    pub(crate) skip_verify: Field<bool>,
    /// File on this machine with the certificate authorities (PEM) of the mirror; nodes get a copy. Relative paths start at the cluster file.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the host's own authorities"))]
    pub(crate) ca: Field<String>,
    /// File on this machine with the certificate (PEM) by which nodes show who they are.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) client_certificate: Field<String>,
    /// File on this machine with that certificate's key (PEM). Nobody but its owner may read it.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) client_key: Field<String>,
    /// Name to log in with.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) username: Field<String>,
    /// File on this machine with the password of `username`, never the password itself. Nobody but its owner may read it; nodes keep it in a file of root's with mode 0600.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) password_file: Field<String>,
}

/// How a registry itself is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct UpstreamEntry {
    /// Whether it is asked without TLS (`http://`): whoever is on the way can read and change images.
    #[serde(default = "no")]
    pub(crate) plain_http: Field<bool>,
    /// Whether its certificate is taken unseen: whoever is on the way can pose as the registry.
    #[serde(default = "no")]
    pub(crate) skip_verify: Field<bool>,
    /// File on this machine with the certificate authorities (PEM) of the registry; nodes get a copy. Relative paths start at the cluster file.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "the host's own authorities"))]
    pub(crate) ca: Field<String>,
    /// File on this machine with the certificate (PEM) by which nodes show who they are.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) client_certificate: Field<String>,
    /// File on this machine with that certificate's key (PEM). Nobody but its owner may read it.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) client_key: Field<String>,
    /// Name to log in with.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) username: Field<String>,
    /// File on this machine with the password of `username`, never the password itself. Nobody but its owner may read it; nodes keep it in a file of root's with mode 0600.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(extend("x-default" = "none"))]
    pub(crate) password_file: Field<String>,
}

/// What a mirror may be asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CapabilityWord {
    /// Contents by their digest.
    Pull,
    /// Which digest a tag stands for.
    Resolve,
}

impl From<CapabilityWord> for RegistryCapability {
    fn from(word: CapabilityWord) -> Self {
        match word {
            CapabilityWord::Pull => Self::Pull,
            CapabilityWord::Resolve => Self::Resolve,
        }
    }
}

fn yes() -> Field<bool> {
    field::default(true)
}

fn no() -> Field<bool> {
    field::default(false)
}
