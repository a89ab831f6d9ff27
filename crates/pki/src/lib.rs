//! Certificates, keys and kubeconfigs of one cluster.
//!
//! [`issue`] makes the [`Vault`] right for a cluster, [`files_for`] says what of it lies on a host, [`kubeconfig`] and [`access`] make it
//! usable for people and for the engine, [`expiry`] tells how long it lasts. Nothing here does IO but for the operating system's randomness.

mod authority;
mod certificate;
mod encryption;
mod ephemeral;
mod expiry;
mod files;
mod inspect;
mod issue;
mod kubeconfig;
mod secret;
mod server;
mod service;
mod sign;
mod vault;

pub use authority::Authority;
pub use certificate::{ADMIN_GROUP, CertificateKind, FLANNELD_USER, KUBELET_CLIENT_USER, Purpose};
pub use ephemeral::{EphemeralCertificate, EphemeralError, ephemeral_certificate, ephemeral_token};
pub use expiry::{Expiry, expiry, expiry_of_pem};
pub use files::files_for;
pub use inspect::UnreadableCertificate;
pub use issue::{IssueError, Issued, Reason, issue};
pub use kubeconfig::{API_SERVER_PORT, KubeconfigUser, access, kubeconfig, own_api_url};
pub use secret::SecretText;
pub use server::{NotMade, OwnServer, own_server};
pub use service::issue_services;
pub use vault::{EncryptionKey, KeyedCertificate, NotInVault, ServiceAccountKeys, VAULT_FORMAT, Vault, VaultError};
