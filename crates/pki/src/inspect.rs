//! Reads certificates.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use barque_model::SubjectName;
use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::{Pem, parse_x509_pem};

use crate::Purpose;

/// A text that is not an X.509 certificate in PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a readable X.509 certificate in PEM")]
pub struct UnreadableCertificate;

/// Decodes the outermost layer; the parsed certificate borrows from it.
pub(crate) fn pem(text: &[u8]) -> Result<Pem, UnreadableCertificate> {
    parse_x509_pem(text).map(|(_, pem)| pem).map_err(|_| UnreadableCertificate)
}

/// Parses the certificate inside `pem`.
pub(crate) fn certificate(pem: &Pem) -> Result<X509Certificate<'_>, UnreadableCertificate> {
    pem.parse_x509().map_err(|_| UnreadableCertificate)
}

/// When it ends.
pub(crate) fn not_after(certificate: &X509Certificate<'_>) -> Result<Timestamp, UnreadableCertificate> {
    Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|_| UnreadableCertificate)
}

/// Common name and organizations.
pub(crate) fn subject(certificate: &X509Certificate<'_>) -> (Option<String>, Vec<String>) {
    let subject = certificate.subject();
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| attribute.as_str().ok().map(str::to_owned);
    (subject.iter_common_name().next().and_then(text), subject.iter_organization().filter_map(text).collect())
}

/// Subject alternative names. A kind that barque never issues reads as a DNS name that matches nothing.
pub(crate) fn names(certificate: &X509Certificate<'_>) -> Result<BTreeSet<SubjectName>, UnreadableCertificate> {
    let extension = certificate.subject_alternative_name().map_err(|_| UnreadableCertificate)?;
    let Some(extension) = extension else { return Ok(BTreeSet::new()) };
    Ok(extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(text) => SubjectName::Dns((*text).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map_or_else(|| SubjectName::Dns(name.to_string()), SubjectName::Address),
            other => SubjectName::Dns(other.to_string()),
        })
        .collect())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Whether it is a leaf for exactly `purposes`, with `digitalSignature` as its only key usage.
pub(crate) fn has_exactly(certificate: &X509Certificate<'_>, purposes: &[Purpose]) -> bool {
    let Ok(Some(key_usage)) = certificate.key_usage() else { return false };
    let Ok(Some(extended)) = certificate.extended_key_usage() else { return false };
    let Ok(Some(constraints)) = certificate.basic_constraints() else { return false };
    let extended = extended.value;
    let others = extended.any
        || extended.code_signing
        || extended.email_protection
        || extended.time_stamping
        || extended.ocsp_signing
        || !extended.other.is_empty();
    key_usage.critical
        && key_usage.value.flags == 1
        && key_usage.value.digital_signature()
        && constraints.critical
        && !constraints.value.ca
        && !others
        && extended.server_auth == purposes.contains(&Purpose::Server)
        && extended.client_auth == purposes.contains(&Purpose::Client)
}

/// Whether `authority` signed it: the issuer's name is right and the signature verifies with the authority's key.
pub(crate) fn is_signed_by(certificate: &X509Certificate<'_>, authority: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == authority.subject().as_raw() && certificate.verify_signature(Some(authority.public_key())).is_ok()
}
