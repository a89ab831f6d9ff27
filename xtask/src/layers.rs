//! The layers of the workspace, as ARCHITECTURE.md draws them.

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the product: may use lower layers only.
    Layer(u8),
    /// For development. Uses product crates up to this layer; no product crate uses it, except as [`OPTIONAL`] says.
    Development(u8),
}

/// Every crate of the workspace.
pub(crate) const PLACES: &[(&str, Place)] = &[
    ("barque-model", Place::Layer(0)),
    ("barque-embed", Place::Layer(0)),
    ("barque-spec", Place::Layer(1)),
    ("barque-catalog", Place::Layer(1)),
    ("barque-pki", Place::Layer(1)),
    ("barque-render", Place::Layer(1)),
    ("barque-event", Place::Layer(1)),
    ("barque-addon", Place::Layer(1)),
    ("barque-network", Place::Layer(1)),
    ("barque-plan", Place::Layer(2)),
    ("barque-check", Place::Layer(2)),
    ("barque-firewall", Place::Layer(2)),
    ("barque-transport", Place::Layer(2)),
    ("barque-bundle", Place::Layer(2)),
    ("barque-kube", Place::Layer(2)),
    ("barque-segment", Place::Layer(2)),
    ("barque-host", Place::Layer(3)),
    ("barque-store", Place::Layer(3)),
    ("barque-oci", Place::Layer(3)),
    ("barque-agent", Place::Layer(4)),
    ("barque-gateway", Place::Layer(4)),
    ("barque-engine", Place::Layer(5)),
    ("barque", Place::Layer(7)),
    // The lab tests the engine from outside, so it must not know it.
    ("barque-lab", Place::Development(2)),
    ("barque-e2e", Place::Development(7)),
    ("xtask", Place::Development(7)),
];

/// Edges within a layer that are right all the same, each with its reason.
pub(crate) const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("barque-check", "barque-plan", "a host's facts are part of what a check sees of it"),
    ("barque-spec", "barque-network", "what collides and what is free is worked out in one place, for the file as for `network`"),
    ("barque-spec", "barque-addon", "what an add-on needs and accepts is data of the add-on; the cluster file is checked against it"),
    ("barque-render", "barque-catalog", "which flag a release knows is data of the catalog; rendering is where it is used"),
];

/// Development crates that a product crate may use behind a feature.
pub(crate) const OPTIONAL: &[(&str, &str)] = &[("barque", "barque-lab")];

/// Edges that the layers would allow and the design does not.
pub(crate) const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("barque-host", "barque-transport", "a step must behave the same over SSH, locally and in the lab"),
    ("barque-agent", "barque-transport", "the engine joins a byte stream to a protocol; neither knows the other"),
    ("barque-store", "barque-transport", "the operator's state has nothing to do with hosts' connections"),
];

/// Crates without IO and without async: same input, same output.
pub(crate) const PURE: &[&str] = &[
    "barque-model",
    "barque-embed",
    "barque-spec",
    "barque-catalog",
    "barque-pki",
    "barque-render",
    "barque-event",
    "barque-addon",
    "barque-network",
    "barque-check",
    "barque-plan",
    "barque-firewall",
];

/// What a pure crate has no use for.
pub(crate) const IMPURE: &[&str] =
    &["tokio", "futures", "async-trait", "russh", "kube", "rustls", "hickory-resolver", "fs-err", "tempfile", "nix", "rustix", "tracing"];

/// Outside crates that change fast: each is touched by exactly one of ours.
pub(crate) const OWNED: &[(&str, &str)] = &[
    ("russh", "barque-transport"),
    ("kube", "barque-kube"),
    ("k8s-openapi", "barque-kube"),
    ("serde-saphyr", "barque-spec"),
    ("rcgen", "barque-pki"),
    ("age", "barque-store"),
    ("oci-client", "barque-oci"),
];
