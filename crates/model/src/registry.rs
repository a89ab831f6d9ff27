//! Where images come from: registries, their mirrors, and how each is asked.

use serde::{Deserialize, Serialize};

use crate::SecretBytes;

/// What stands for every registry that has no entry of its own.
pub const DEFAULT_REGISTRY: &str = "_default";

/// The registry host that names without one mean.
pub const DOCKER_HUB: &str = "docker.io";

/// How the images of one registry host are fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// The host as images name it, such as `docker.io` or `registry.example:5000`, or [`DEFAULT_REGISTRY`].
    pub host: String,
    /// Who is asked, in this order.
    pub mirrors: Vec<RegistryEndpoint>,
    /// Who is asked when no mirror has the image.
    pub upstream: Upstream,
    /// An image that every node pulls before its kubelet starts.
    pub test_image: Option<String>,
}

/// Who is asked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Upstream {
    /// The registry itself.
    Asked(RegistryEndpoint),
    /// The registry that the image names: the entry is for all that have none of their own.
    AsNamed,
    /// Nobody: what no mirror has cannot be pulled.
    NotAsked,
}

/// A server that answers as a registry does, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryEndpoint {
    /// `https://HOST[:PORT][/PATH]`, or `http://` where the cluster file says so by name; without a `/` at the end.
    pub url: String,
    /// What it may be asked for.
    pub capabilities: Vec<RegistryCapability>,
    /// Whether the URL's path is the root of the registry's API, to which no `/v2` is added.
    pub override_path: bool,
    /// Whether its certificate is taken unseen.
    pub skip_verify: bool,
    /// Certificate authorities in PEM that are trusted besides the host's own.
    pub authority: Option<String>,
    /// A certificate by which nodes show who they are.
    pub client: Option<RegistryClient>,
    /// A name and its password.
    pub credentials: Option<RegistryCredentials>,
}

/// What a server may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistryCapability {
    /// Contents by their digest.
    Pull,
    /// Which digest a tag stands for.
    Resolve,
}

impl RegistryCapability {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pull, Self::Resolve];

    /// The word that containerd uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Resolve => "resolve",
        }
    }
}

/// A certificate and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryClient {
    /// The certificate, with those between it and its authority.
    pub certificate: String,
    /// The key. It is never part of a serialised cluster.
    #[serde(skip)]
    pub key: SecretBytes,
}

/// A name and its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryCredentials {
    /// The name.
    pub username: String,
    /// The password. It is never part of a serialised cluster.
    #[serde(skip)]
    pub password: SecretBytes,
}

impl Registry {
    /// Everybody who is asked, in order.
    pub fn endpoints(&self) -> impl Iterator<Item = &RegistryEndpoint> {
        let upstream = match &self.upstream {
            Upstream::Asked(endpoint) => Some(endpoint),
            Upstream::AsNamed | Upstream::NotAsked => None,
        };
        self.mirrors.iter().chain(upstream)
    }

    /// Whether somebody is asked with a password.
    pub fn has_credentials(&self) -> bool {
        self.endpoints().any(|endpoint| endpoint.credentials.is_some())
    }
}

impl RegistryEndpoint {
    /// An endpoint without anything special, asked for everything.
    pub fn plain(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            capabilities: RegistryCapability::ALL.to_vec(),
            override_path: false,
            skip_verify: false,
            authority: None,
            client: None,
            credentials: None,
        }
    }
}

/// Where the images of registry `host` really are: Docker Hub answers at another name than its images carry.
pub fn upstream_address(host: &str) -> &str {
    if host == DOCKER_HUB { "registry-1.docker.io" } else { host }
}
