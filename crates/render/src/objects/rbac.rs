//! Rights beyond Kubernetes's own defaults, which already cover nodes, kube-proxy, the scheduler and the controller manager.

use serde_json::{Value, json};

pub(super) fn objects() -> Vec<Value> {
    vec![
        // Group of the administrators' certificates. Unlike system:masters it can be taken away again.
        binding("barque:cluster-admins", "cluster-admin", &subject("Group", "barque:cluster-admins")),
        // The API server's client certificate for kubelets (logs, exec) has no group.
        binding("barque:kube-apiserver-to-kubelet", "system:kubelet-api-admin", &subject("User", "kube-apiserver-kubelet-client")),
        // What flanneld does in kube mode (upstream's Documentation/kube-flannel.yml).
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "barque:flannel"},
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
                {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
            ],
        }),
        binding("barque:flannel", "barque:flannel", &subject("User", "flanneld")),
    ]
}

fn subject(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

fn binding(name: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}
