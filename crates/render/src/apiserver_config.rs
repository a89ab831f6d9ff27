//! kube-apiserver's configuration files: who may come without credentials, what pods may do, what is logged.

use barque_model::HostFile;
use serde_json::json;

use crate::yaml::document;

pub(crate) const AUTHENTICATION_PATH: &str = "/etc/kubernetes/kube-apiserver-authentication.yaml";
pub(crate) const ADMISSION_PATH: &str = "/etc/kubernetes/kube-apiserver-admission.yaml";
pub(crate) const AUDIT_POLICY_PATH: &str = "/etc/kubernetes/kube-apiserver-audit-policy.yaml";

pub(crate) fn files() -> Vec<HostFile> {
    [(AUTHENTICATION_PATH, authentication()), (ADMISSION_PATH, admission()), (AUDIT_POLICY_PATH, audit_policy())]
        .into_iter()
        .map(|(path, value)| HostFile::public(path, document(&value)).with_mode(0o600))
        .collect()
}

/// Anonymous requests on the three health paths only, which haproxy checks; all else needs credentials.
pub(crate) fn authentication() -> serde_json::Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": true,
            "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}],
        },
    })
}

/// PodSecurity: `baseline` is enforced, what `restricted` would refuse is logged and warned of. A namespace's own labels override this.
pub(crate) fn admission() -> serde_json::Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {
                    "enforce": "baseline", "enforce-version": "latest",
                    "audit": "restricted", "audit-version": "latest",
                    "warn": "restricted", "warn-version": "latest",
                },
                "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
            },
        }],
    })
}

/// First match wins. Noise is dropped, secret contents are never logged, changes of rights and what people run inside pods are logged with
/// their request, other changes with their metadata.
pub(crate) fn audit_policy() -> serde_json::Value {
    let core = |resources: &[&str]| json!({"group": "", "resources": resources});
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": true,
        "rules": [
            {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/version", "/openapi/*"]},
            // What every node and controller does every few seconds.
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}, core(&["events"]), {"group": "events.k8s.io", "resources": ["events"]}]},
            {"level": "None", "userGroups": ["system:nodes"], "verbs": ["update", "patch"], "resources": [core(&["nodes/status", "pods/status"])]},
            // Names only: their bodies are secrets.
            {"level": "Metadata", "resources": [core(&["secrets", "configmaps", "serviceaccounts/token"]), {"group": "authentication.k8s.io", "resources": ["tokenreviews"]}]},
            {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"], "resources": [{"group": "rbac.authorization.k8s.io"}, {"group": "admissionregistration.k8s.io"}]},
            {"level": "Request", "resources": [core(&["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers", "services/proxy", "nodes/proxy"])]},
            // Reads by the cluster's own components.
            {"level": "None", "verbs": ["get", "list", "watch"], "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "verbs": ["get", "list", "watch"], "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "flanneld"]},
            {"level": "Metadata"},
        ],
    })
}
