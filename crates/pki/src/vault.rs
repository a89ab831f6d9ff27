//! Everything secret of one cluster.

use std::collections::BTreeMap;

use barque_model::{ClusterName, HostName, ServiceCertificate};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Authority, CertificateKind, SecretText};

/// The version of the vault's format that this program writes.
pub const VAULT_FORMAT: u32 = 1;

/// A certificate with its private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedCertificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// The private key, PKCS #8 in PEM.
    pub key: SecretText,
}

/// The key pair that signs service accounts' tokens (ES256).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccountKeys {
    /// The private key (`sa.key`), PKCS #8 in PEM.
    pub private: SecretText,
    /// The public key (`sa.pub`), PEM.
    pub public: String,
}

/// A key that encrypts Secrets in etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKey {
    /// Its name in the configuration; etcd's values carry it.
    pub name: String,
    /// 32 random bytes in Base64.
    pub secret: SecretText,
}

/// Everything secret of one cluster. Never in clear text on a disk of the operator's; `store` seals it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    pub(crate) format: u32,
    pub(crate) cluster: ClusterName,
    pub(crate) kubernetes: KeyedCertificate,
    pub(crate) etcd: KeyedCertificate,
    pub(crate) front_proxy: KeyedCertificate,
    pub(crate) service_account: ServiceAccountKeys,
    /// The first one encrypts, all decrypt.
    pub(crate) encryption_keys: Vec<EncryptionKey>,
    /// By name, see [`CertificateKind::name`] and [`ServiceCertificate::name`].
    pub(crate) certificates: BTreeMap<String, KeyedCertificate>,
}

/// Why bytes are not a vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Made by a later barque.
    #[error("the vault has format {found}; this barque reads up to format {VAULT_FORMAT}")]
    Format {
        /// The format found.
        found: u32,
    },
    /// Not a vault at all.
    #[error("the content is not a vault")]
    Content(#[source] serde_json::Error),
}

/// Something is asked for that the vault does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the vault has no `{0}`; issue certificates for this cluster first")]
pub struct NotInVault(pub String);

impl Vault {
    /// The cluster that it belongs to.
    pub const fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// An authority with its key.
    pub const fn authority(&self, authority: Authority) -> &KeyedCertificate {
        match authority {
            Authority::Kubernetes => &self.kubernetes,
            Authority::Etcd => &self.etcd,
            Authority::FrontProxy => &self.front_proxy,
        }
    }

    pub(crate) const fn authority_mut(&mut self, authority: Authority) -> &mut KeyedCertificate {
        match authority {
            Authority::Kubernetes => &mut self.kubernetes,
            Authority::Etcd => &mut self.etcd,
            Authority::FrontProxy => &mut self.front_proxy,
        }
    }

    /// The key pair of service accounts' tokens.
    pub const fn service_account(&self) -> &ServiceAccountKeys {
        &self.service_account
    }

    /// The keys that encrypt Secrets in etcd; the first one is in use.
    pub fn encryption_keys(&self) -> &[EncryptionKey] {
        &self.encryption_keys
    }

    /// A leaf certificate; `host` for the kinds that lie on hosts.
    pub fn certificate(&self, kind: CertificateKind, host: Option<&HostName>) -> Result<&KeyedCertificate, NotInVault> {
        let name = kind.name(host.map(HostName::as_str));
        self.certificates.get(&name).ok_or(NotInVault(name))
    }

    /// All leaf certificates by name.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &KeyedCertificate)> {
        self.certificates.iter().map(|(name, certificate)| (name.as_str(), certificate))
    }

    /// Certificates of Services, by the name of their Secret: `Secret NAMESPACE/NAME`.
    pub fn services(&self) -> impl Iterator<Item = (&str, &KeyedCertificate)> {
        self.certificates().filter(|(name, _)| ServiceCertificate::is_name_of_one(name))
    }

    /// What of the vault may lie in clear text: file name to content.
    pub fn public_files(&self) -> [(&'static str, &str); 4] {
        [
            ("ca.crt", &self.kubernetes.certificate),
            ("etcd-ca.crt", &self.etcd.certificate),
            ("front-proxy-ca.crt", &self.front_proxy.certificate),
            ("sa.pub", &self.service_account.public),
        ]
    }

    /// The vault as JSON, to be sealed. The bytes are overwritten when they are dropped.
    #[expect(clippy::missing_panics_doc, reason = "writing text to memory cannot fail")]
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // Room for all at once: a buffer that grows would leave copies behind. A certificate with its key takes below 1.5 KiB.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024 + 2048 * self.certificates.len()));
        serde_json::to_writer(&mut *bytes, self).expect("a vault has only text, which JSON can carry");
        bytes
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, VaultError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        // The format first: a later one may not have the same fields.
        let header: Header = serde_json::from_slice(bytes).map_err(VaultError::Content)?;
        if header.format != VAULT_FORMAT {
            return Err(VaultError::Format { found: header.format });
        }
        serde_json::from_slice(bytes).map_err(VaultError::Content)
    }
}
