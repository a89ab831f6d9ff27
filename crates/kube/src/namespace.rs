//! What is in a namespace.

use barque_model::ADDON_LABEL;
use kube::Api;
use kube::api::{DynamicObject, ListParams};

use crate::KubeError;
use crate::client::Client;
use crate::kind::namespaced;

/// Objects of a kind that are looked at. Whoever has put more there has put one of these there too.
const LIMIT: u32 = 100;

impl Client {
    /// An object in `namespace` that somebody made and that is not of `addon`, `Kind name`; `None` when there is none. What controllers and
    /// Kubernetes itself make does not count, and neither do kinds that Kubernetes does not bring.
    pub async fn others_in_namespace(&self, namespace: &str, addon: &str) -> Result<Option<String>, KubeError> {
        for (kind, resource) in namespaced() {
            let api: Api<DynamicObject> = Api::namespaced_with(self.inner(), namespace, &resource);
            let found = match api.list(&ListParams::default().limit(LIMIT)).await.map_err(KubeError::from) {
                Ok(found) => found,
                Err(KubeError::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            let other = found.items.into_iter().find(|object| {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                let labels = object.metadata.labels.as_ref();
                let is_ours = labels.and_then(|labels| labels.get(ADDON_LABEL)).is_some_and(|owner| owner == addon);
                let owned = object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
                let by_kubernetes = matches!((kind, name), ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default"));
                !is_ours && !owned && !by_kubernetes && object.metadata.deletion_timestamp.is_none()
            });
            if let Some(other) = other {
                return Ok(Some(format!("{kind} {}", other.metadata.name.unwrap_or_default())));
            }
        }
        Ok(None)
    }
}
