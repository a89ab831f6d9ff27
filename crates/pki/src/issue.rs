//! Makes a vault right for a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use barque_model::{Cluster, ClusterName, ServiceCertificate, SubjectName};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use x509_parser::certificate::X509Certificate;
use zeroize::Zeroize as _;

use crate::certificate::{Wanted, wanted};
use crate::expiry::days_between;
use crate::inspect::{self, UnreadableCertificate};
use crate::sign::{self, SignError};
use crate::{Authority, EncryptionKey, KeyedCertificate, SecretText, ServiceAccountKeys, VAULT_FORMAT, Vault};

/// A leaf with fewer days left than this is issued again.
const RENEW_LEAF_DAYS: i64 = 30;
/// An authority with fewer days left than this is renewed, so that no leaf is ever cut short by its authority's end.
const RENEW_AUTHORITY_DAYS: i64 = 365 + RENEW_LEAF_DAYS;

/// Something that [`issue`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its name, such as `ca`, `sa`, `m1/apiserver` or `Secret monitoring/prometheus-tls`.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// Why something was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There was none.
    Missing,
    /// What was there cannot be read.
    Unreadable,
    /// Its key is not its own.
    Key,
    /// Its subject differs.
    Subject,
    /// Its names or addresses differ.
    Names {
        /// Names that it lacked.
        added: Vec<String>,
        /// Names that it had too many.
        removed: Vec<String>,
    },
    /// Its usages differ.
    Usages,
    /// It was not signed by the present authority.
    Authority,
    /// It ends soon or has ended.
    Expiring {
        /// Whole days that were left; negative when it had ended.
        days_left: i64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("missing"),
            Self::Unreadable => formatter.write_str("unreadable"),
            Self::Key => formatter.write_str("its key does not belong to it"),
            Self::Subject => formatter.write_str("other subject"),
            Self::Names { added, removed } => {
                let added = added.iter().map(|name| format!("+{name}"));
                let removed = removed.iter().map(|name| format!("-{name}"));
                write!(formatter, "other names: {}", added.chain(removed).collect::<Vec<_>>().join(" "))
            }
            Self::Usages => formatter.write_str("other usages"),
            Self::Authority => formatter.write_str("other authority"),
            Self::Expiring { days_left } if *days_left < 0 => formatter.write_str("expired"),
            Self::Expiring { days_left } => write!(formatter, "{days_left} days left"),
        }
    }
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The vault belongs to another cluster.
    #[error("the vault belongs to cluster `{vault}`, not to `{cluster}`")]
    OtherCluster {
        /// The vault's cluster.
        vault: ClusterName,
        /// The cluster asked for.
        cluster: ClusterName,
    },
    /// An authority cannot be used. It is never replaced silently: every host and every client would have to follow.
    #[error("authority `{name}` in the vault is damaged: {fault}")]
    Authority {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A key or certificate could not be made.
    #[error("failed to make `{name}`")]
    Make {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn make_error(name: &str) -> impl Fn(SignError) -> IssueError + '_ {
    move |source| IssueError::Make { name: name.to_owned(), source: Box::new(source) }
}

/// Makes a vault right for `cluster` at `now`: keeps what is right, issues what is not, drops what no host of the cluster needs any more,
/// and says what it issued and why. Without a vault everything is new.
///
/// A leaf is issued again, with a new key, when it is missing, has another subject, names or usages, was signed by another authority, or has
/// less than 30 days left. An authority with less than 395 days left gets a new certificate for the key that it has, under which
/// all leaves stay valid. The service accounts' key and the encryption keys never change here: tokens and data depend on them.
pub fn issue(cluster: &Cluster, vault: Option<Vault>, now: Timestamp) -> Result<(Vault, Vec<Issued>), IssueError> {
    let mut issued = Vec::new();
    let mut vault = match vault {
        None => new_vault(cluster, now, &mut issued)?,
        Some(vault) if vault.cluster != cluster.name => {
            return Err(IssueError::OtherCluster { vault: vault.cluster, cluster: cluster.name.clone() });
        }
        Some(vault) => vault,
    };
    for authority in Authority::ALL {
        renew_authority(&mut vault, authority, now, &mut issued)?;
    }
    let wanted = wanted(cluster);
    // Those of Services follow from add-ons: `issue_services` keeps them in order.
    vault.certificates.retain(|name, _| wanted.contains_key(name) || ServiceCertificate::is_name_of_one(name));
    for authority in Authority::ALL {
        issue_leaves(&mut vault, authority, &wanted, now, &mut issued)?;
    }
    Ok((vault, issued))
}

fn new_vault(cluster: &Cluster, now: Timestamp, issued: &mut Vec<Issued>) -> Result<Vault, IssueError> {
    let mut new_authority = |authority: Authority| {
        let make = || {
            let key = sign::new_key()?;
            Ok(KeyedCertificate { certificate: sign::authority(authority, &key, now)?, key: sign::into_pem(key) })
        };
        issued.push(Issued { name: authority.name().to_owned(), reason: Reason::Missing });
        make().map_err(make_error(authority.name()))
    };
    let kubernetes = new_authority(Authority::Kubernetes)?;
    let etcd = new_authority(Authority::Etcd)?;
    let front_proxy = new_authority(Authority::FrontProxy)?;
    // kube-apiserver and kube-controller-manager take RSA and ECDSA keys for tokens; ECDSA P-256 (ES256) signs faster and tokens are shorter.
    let service_account_key = sign::new_key().map_err(make_error("sa"))?;
    let public = service_account_key.public_key_pem();
    let mut encryption_key = sign::random::<32>().map_err(make_error("encryption key"))?;
    let secret = SecretText::new(BASE64_STANDARD.encode(encryption_key));
    encryption_key.zeroize();
    for name in ["sa", "encryption key"] {
        issued.push(Issued { name: name.to_owned(), reason: Reason::Missing });
    }
    Ok(Vault {
        format: VAULT_FORMAT,
        cluster: cluster.name.clone(),
        kubernetes,
        etcd,
        front_proxy,
        service_account: ServiceAccountKeys { private: sign::into_pem(service_account_key), public },
        encryption_keys: vec![EncryptionKey { name: "key1".to_owned(), secret }],
        certificates: BTreeMap::new(),
    })
}

fn damaged(authority: Authority, fault: &'static str) -> IssueError {
    IssueError::Authority { name: authority.name(), fault }
}

fn renew_authority(vault: &mut Vault, authority: Authority, now: Timestamp, issued: &mut Vec<Issued>) -> Result<(), IssueError> {
    let pair = vault.authority_mut(authority);
    let unreadable = |_: UnreadableCertificate| damaged(authority, "its certificate is unreadable");
    let pem = inspect::pem(pair.certificate.as_bytes()).map_err(unreadable)?;
    let certificate = inspect::certificate(&pem).map_err(unreadable)?;
    let mut key = KeyPair::from_pem(pair.key.expose()).map_err(|_| damaged(authority, "its key is unreadable"))?;
    if key.subject_public_key_info() != certificate.public_key().raw {
        return Err(damaged(authority, "its key does not belong to its certificate"));
    }
    if !certificate.is_ca() {
        return Err(damaged(authority, "its certificate is not an authority's"));
    }
    let days_left = days_between(now, inspect::not_after(&certificate).map_err(unreadable)?);
    if days_left < RENEW_AUTHORITY_DAYS {
        pair.certificate = sign::authority(authority, &key, now).map_err(make_error(authority.name()))?;
        issued.push(Issued { name: authority.name().to_owned(), reason: Reason::Expiring { days_left } });
    }
    key.zeroize();
    Ok(())
}

pub(crate) fn issue_leaves(
    vault: &mut Vault,
    authority: Authority,
    wanted: &BTreeMap<String, Wanted>,
    now: Timestamp,
    issued: &mut Vec<Issued>,
) -> Result<(), IssueError> {
    let pair = vault.authority(authority);
    let pem = inspect::pem(pair.certificate.as_bytes()).map_err(|_| damaged(authority, "its certificate is unreadable"))?;
    let certificate = inspect::certificate(&pem).map_err(|_| damaged(authority, "its certificate is unreadable"))?;
    let end = inspect::not_after(&certificate).map_err(|_| damaged(authority, "its end is unreadable"))?;
    let key = KeyPair::from_pem(pair.key.expose()).map_err(|_| damaged(authority, "its key is unreadable"))?;
    let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(|_| damaged(authority, "its certificate is unreadable"))?;

    for (name, wanted) in wanted.iter().filter(|(_, wanted)| wanted.authority == authority) {
        let reason = match vault.certificates.get(name) {
            None => Some(Reason::Missing),
            Some(pair) => fault(pair, wanted, &certificate, now).unwrap_or(Some(Reason::Unreadable)),
        };
        let Some(reason) = reason else { continue };
        let leaf = sign::leaf(wanted, &issuer, end, now).map_err(make_error(name))?;
        vault.certificates.insert(name.clone(), leaf);
        issued.push(Issued { name: name.clone(), reason });
    }
    Ok(())
}

/// What is wrong with a leaf, if anything is.
fn fault(
    pair: &KeyedCertificate,
    wanted: &Wanted,
    authority: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<Option<Reason>, UnreadableCertificate> {
    let pem = inspect::pem(pair.certificate.as_bytes())?;
    let certificate = inspect::certificate(&pem)?;
    let mut key = KeyPair::from_pem(pair.key.expose()).map_err(|_| UnreadableCertificate)?;
    let own_key = key.subject_public_key_info() == certificate.public_key().raw;
    key.zeroize();
    if !own_key {
        return Ok(Some(Reason::Key));
    }
    let (common_name, organizations) = inspect::subject(&certificate);
    if common_name.as_ref() != Some(&wanted.common_name) || !organizations.iter().map(String::as_str).eq(wanted.organization) {
        return Ok(Some(Reason::Subject));
    }
    let names = inspect::names(&certificate)?;
    if names != wanted.names {
        return Ok(Some(Reason::Names { added: difference(&wanted.names, &names), removed: difference(&names, &wanted.names) }));
    }
    if !inspect::has_exactly(&certificate, wanted.purposes) {
        return Ok(Some(Reason::Usages));
    }
    if !inspect::is_signed_by(&certificate, authority) {
        return Ok(Some(Reason::Authority));
    }
    let days_left = days_between(now, inspect::not_after(&certificate)?);
    Ok((days_left < RENEW_LEAF_DAYS).then_some(Reason::Expiring { days_left }))
}

fn difference(left: &BTreeSet<SubjectName>, right: &BTreeSet<SubjectName>) -> Vec<String> {
    left.difference(right)
        .map(|name| match name {
            SubjectName::Dns(name) => name.clone(),
            SubjectName::Address(address) => address.to_string(),
        })
        .collect()
}
