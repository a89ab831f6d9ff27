//! Makes keys and certificates.

use std::collections::BTreeSet;

use barque_model::SubjectName;
use jiff::{SignedDuration, Timestamp};
use rand::TryRngCore as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use zeroize::Zeroize as _;

use crate::certificate::Wanted;
use crate::{Authority, KeyedCertificate, Purpose, SecretText};

/// How long a leaf is valid.
pub(crate) const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long an authority is valid.
pub(crate) const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(3650 * 24);
/// How far the beginning is set back, for hosts whose clocks are behind the operator's.
pub(crate) const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// Why nothing could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("the certificate library refused")]
    Library(#[from] rcgen::Error),
    #[error("the operating system gives no random bytes")]
    Random(#[from] rand::rand_core::OsError),
    #[error("the time is out of range")]
    Time,
}

/// Makes an ECDSA P-256 key: accepted by every component, and quick to make and to use.
pub(crate) fn new_key() -> Result<KeyPair, SignError> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)
}

/// Takes the PEM out of `key` and wipes the copy that stays behind.
pub(crate) fn into_pem(mut key: KeyPair) -> SecretText {
    let pem = SecretText::new(key.serialize_pem());
    key.zeroize();
    pem
}

/// `length` bytes from the operating system.
pub(crate) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], SignError> {
    let mut bytes = [0; LENGTH];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// Makes an authority's certificate for `key`, which may have signed leaves before: they stay valid under the new certificate.
pub(crate) fn authority(authority: Authority, key: &KeyPair, now: Timestamp) -> Result<String, SignError> {
    self_signed(authority.common_name(), key, now, end(now, AUTHORITY_LIFETIME)?)
}

/// Makes a certificate of an authority that ends at `end`.
pub(crate) fn self_signed(common_name: &str, key: &KeyPair, now: Timestamp, end: Timestamp) -> Result<String, SignError> {
    let mut params = parameters(common_name, None, now, end)?;
    // No intermediate authorities below.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(key)?.pem())
}

/// Makes a leaf with a new key. It never outlives its authority, which ends at `authority_end`.
pub(crate) fn leaf(
    wanted: &Wanted,
    issuer: &Issuer<'_, KeyPair>,
    authority_end: Timestamp,
    now: Timestamp,
) -> Result<KeyedCertificate, SignError> {
    let end = end(now, LEAF_LIFETIME)?.min(authority_end);
    let subject = (wanted.common_name.as_str(), wanted.organization);
    signed_leaf(subject, wanted.purposes, &wanted.names, issuer, now, end)
}

/// Makes a leaf with a new key that ends at `end`; `subject` is its common name and organization.
pub(crate) fn signed_leaf(
    subject: (&str, Option<&str>),
    purposes: &[Purpose],
    names: &BTreeSet<SubjectName>,
    issuer: &Issuer<'_, KeyPair>,
    now: Timestamp,
    end: Timestamp,
) -> Result<KeyedCertificate, SignError> {
    let key = new_key()?;
    let mut params = parameters(subject.0, subject.1, now, end)?;
    // Written out, so that the certificate has the critical extension that says it is no authority.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purposes
        .iter()
        .map(|purpose| match purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        })
        .collect();
    for name in names {
        params.subject_alt_names.push(match name {
            SubjectName::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
            SubjectName::Address(address) => SanType::IpAddress(*address),
        });
    }
    let certificate = params.signed_by(&key, issuer)?.pem();
    Ok(KeyedCertificate { certificate, key: into_pem(key) })
}

pub(crate) fn end(now: Timestamp, lifetime: SignedDuration) -> Result<Timestamp, SignError> {
    now.checked_add(lifetime).map_err(|_| SignError::Time)
}

/// What authorities and leaves share. The library's own defaults for both ends of the validity are decades away, so both are set here.
fn parameters(common_name: &str, organization: Option<&str>, now: Timestamp, end: Timestamp) -> Result<CertificateParams, SignError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.not_before = date(now.checked_sub(BACKDATE).map_err(|_| SignError::Time)?)?;
    params.not_after = date(end)?;
    params.serial_number = Some(serial()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A random 128-bit number whose two highest bits are fixed, so that it is positive and always 16 bytes long.
pub(crate) fn serial() -> Result<SerialNumber, SignError> {
    let mut bytes = random::<16>()?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

pub(crate) fn date(at: Timestamp) -> Result<time::OffsetDateTime, SignError> {
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| SignError::Time)
}
