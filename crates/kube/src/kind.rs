//! Where the objects of a kind lie.

use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};

use crate::KubeError;

/// Kinds barque applies, by `apiVersion`, kind, plural and whether they lie in a namespace. Asking the server for what is always so
/// would cost a round trip per object; a kind that is not here is asked for.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Endpoints", "endpoints", true),
    ("v1", "LimitRange", "limitranges", true),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("v1", "Pod", "pods", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("batch/v1", "Job", "jobs", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses", false),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", false),
    ("storage.k8s.io/v1", "CSIDriver", "csidrivers", false),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", false),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
];

/// The kinds of the table whose objects lie in a namespace and are made by people.
pub(crate) fn namespaced() -> impl Iterator<Item = (&'static str, ApiResource)> {
    // Endpoints follow from Services.
    let made = KINDS.iter().filter(|(_, kind, _, namespaced)| *namespaced && *kind != "Endpoints");
    made.map(|(version, kind, plural, _)| (*kind, ApiResource::from_gvk_with_plural(&group_version_kind(version, kind), plural)))
}

/// A kind's place in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

/// Finds a kind in the table, else asks the server.
pub(crate) async fn find(client: &kube::Client, api_version: &str, kind: &str) -> Result<Kind, KubeError> {
    if let Some(found) = known(api_version, kind) {
        return Ok(found);
    }
    let (resource, capabilities) = pinned_kind(client, &group_version_kind(api_version, kind)).await?;
    Ok(Kind { resource, namespaced: capabilities.scope == Scope::Namespaced })
}

fn known(api_version: &str, kind: &str) -> Option<Kind> {
    let (_, _, plural, namespaced) = KINDS.iter().find(|entry| entry.0 == api_version && entry.1 == kind)?;
    let resource = ApiResource::from_gvk_with_plural(&group_version_kind(api_version, kind), plural);
    Some(Kind { resource, namespaced: *namespaced })
}

fn group_version_kind(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn groups_and_plurals() {
        let found = known("rbac.authorization.k8s.io/v1", "ClusterRole").unwrap();
        assert_eq!(found.resource.group, "rbac.authorization.k8s.io");
        assert_eq!(found.resource.version, "v1");
        assert_eq!(found.resource.api_version, "rbac.authorization.k8s.io/v1");
        assert_eq!(found.resource.plural, "clusterroles");
        assert!(!found.namespaced);
        assert_eq!(known("v1", "Service").unwrap().resource.group, "");
        assert_eq!(known("v1", "Deployment"), None);
    }

    #[test]
    fn no_kind_is_listed_twice() {
        let names: BTreeSet<_> = KINDS.iter().map(|entry| (entry.0, entry.1)).collect();
        assert_eq!(names.len(), KINDS.len());
    }
}
