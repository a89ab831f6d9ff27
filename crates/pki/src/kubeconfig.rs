//! Kubeconfigs, and access to the API for barque itself.

use std::net::SocketAddr;

use barque_model::{Cluster, Host, HostName, KubeAccess, SecretBytes};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::{Authority, CertificateKind, KeyedCertificate, NotInVault, Vault};

/// The port of every API server itself; the balancer's may differ.
pub const API_SERVER_PORT: u16 = 6443;

/// As whom the API is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeconfigUser {
    /// The operator, an administrator.
    Admin,
    /// The operator when authorization itself is broken (`system:masters`); for emergencies only.
    SuperAdmin,
    /// The administrator's file on a master.
    HostAdmin(HostName),
    /// A master's kube-controller-manager.
    ControllerManager(HostName),
    /// A master's kube-scheduler.
    Scheduler(HostName),
    /// A host's kubelet.
    Kubelet(HostName),
    /// A host's kube-proxy.
    KubeProxy(HostName),
    /// A host's flanneld.
    Flanneld(HostName),
}

impl KubeconfigUser {
    /// The kind of its certificate, and its host if it has one.
    const fn certificate(&self) -> (CertificateKind, Option<&HostName>) {
        match self {
            Self::Admin => (CertificateKind::Admin, None),
            Self::SuperAdmin => (CertificateKind::SuperAdmin, None),
            Self::HostAdmin(host) => (CertificateKind::HostAdmin, Some(host)),
            Self::ControllerManager(host) => (CertificateKind::ControllerManager, Some(host)),
            Self::Scheduler(host) => (CertificateKind::Scheduler, Some(host)),
            Self::Kubelet(host) => (CertificateKind::Kubelet, Some(host)),
            Self::KubeProxy(host) => (CertificateKind::KubeProxy, Some(host)),
            Self::Flanneld(host) => (CertificateKind::Flanneld, Some(host)),
        }
    }
}

/// `https://ADDRESS:6443` of the API server on `host`.
pub fn own_api_url(host: &Host) -> String {
    format!("https://{}", SocketAddr::new(host.address, API_SERVER_PORT))
}

/// A kubeconfig with everything embedded; its context has the cluster's name. `server` is a URL such as [`Cluster::api_url`] gives.
pub fn kubeconfig(cluster: &Cluster, vault: &Vault, user: &KubeconfigUser, server: &str) -> Result<SecretBytes, NotInVault> {
    let (kind, host) = user.certificate();
    let name = format!("{}@{}", kind.common_name(host.map(HostName::as_str)), cluster.name);
    let KeyedCertificate { certificate, key } = vault.certificate(kind, host)?;
    let authority = BASE64_STANDARD.encode(&vault.authority(Authority::Kubernetes).certificate);
    let certificate = BASE64_STANDARD.encode(certificate);
    let key = Zeroizing::new(BASE64_STANDARD.encode(key.expose()));
    // Every name is quoted: a cluster may be called `no` or `42`.
    let text = format!(
        r#"apiVersion: v1
kind: Config
clusters:
- name: "{cluster}"
  cluster:
    server: "{server}"
    certificate-authority-data: {authority}
users:
- name: "{name}"
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: "{cluster}"
  context:
    cluster: "{cluster}"
    user: "{name}"
current-context: "{cluster}"
"#,
        cluster = cluster.name,
        key = key.as_str(),
    );
    Ok(SecretBytes::new(text))
}

/// The same for barque's own client.
pub fn access(vault: &Vault, user: &KubeconfigUser, server: &str) -> Result<KubeAccess, NotInVault> {
    let (kind, host) = user.certificate();
    let KeyedCertificate { certificate, key } = vault.certificate(kind, host)?;
    Ok(KubeAccess {
        server: server.to_owned(),
        authority: vault.authority(Authority::Kubernetes).certificate.clone(),
        certificate: certificate.clone(),
        key: SecretBytes::new(key.expose()),
    })
}
