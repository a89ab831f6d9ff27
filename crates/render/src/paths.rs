//! Paths on hosts. Certificates and kubeconfigs have kubeadm's names, because scanners and people look there; `pki` writes them.

pub(crate) const KUBERNETES: &str = "/etc/kubernetes";
pub(crate) const PKI: &str = "/etc/kubernetes/pki";
pub(crate) const ETCD_PKI: &str = "/etc/kubernetes/pki/etcd";
pub(crate) const CA: &str = "/etc/kubernetes/pki/ca.crt";
pub(crate) const ETCD_DATA: &str = "/var/lib/etcd";
pub(crate) const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
pub(crate) const KUBELET_PKI: &str = "/var/lib/kubelet/pki";
pub(crate) const AUDIT_LOGS: &str = "/var/log/kubernetes/audit";
pub(crate) const CONTAINERD_SOCKET: &str = "unix:///run/containerd/containerd.sock";
pub(crate) const CNI_BINARIES: &str = "/opt/cni/bin";
pub(crate) const CNI_CONFIG: &str = "/etc/cni/net.d";
/// Where containerd looks for the mirrors of a registry, one folder each.
pub const CERTS_D: &str = "/etc/containerd/certs.d";

/// TCP port of kube-apiserver.
pub(crate) const API_PORT: u16 = 6443;

/// The six cipher suites with forward secrecy and authenticated encryption that TLS 1.2 has (CIS Kubernetes Benchmark 1.12, 1.2.29 and 4.2.12).
/// TLS 1.3 suites are always on in Go and cannot be listed.
pub(crate) const CIPHERS: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
