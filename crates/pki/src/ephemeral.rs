//! Secrets that live as long as one run and are never stored.

use barque_model::SecretBytes;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, IsCa, KeyPair};
use zeroize::Zeroize as _;

use crate::sign::{SignError, date, new_key, random, serial};

/// How long a certificate of a run is valid. Nobody relies on it: who connects knows the certificate itself.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Length of a token in bytes.
const TOKEN: usize = 32;

/// Why nothing could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for this run: {0}")]
pub struct EphemeralError(SignError);

/// A certificate that signs itself, and its key. Who connects has to know the certificate beforehand: it names nobody.
#[derive(Debug)]
pub struct EphemeralCertificate {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its key, PKCS#8 in DER.
    pub key: SecretBytes,
}

/// Makes a certificate with a new key.
pub fn ephemeral_certificate(now: Timestamp) -> Result<EphemeralCertificate, EphemeralError> {
    make(now).map_err(EphemeralError)
}

fn make(now: Timestamp) -> Result<EphemeralCertificate, SignError> {
    let mut key: KeyPair = new_key()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = date(now.checked_sub(LIFETIME).map_err(|_| SignError::Time)?)?;
    params.not_after = date(now.checked_add(LIFETIME).map_err(|_| SignError::Time)?)?;
    params.serial_number = Some(serial()?);
    let certificate = params.self_signed(&key)?.der().to_vec();
    let secret = SecretBytes::new(key.serialize_der());
    key.zeroize();
    Ok(EphemeralCertificate { certificate, key: secret })
}

/// A random token.
pub fn ephemeral_token() -> Result<SecretBytes, EphemeralError> {
    let bytes = random::<TOKEN>().map_err(EphemeralError)?;
    Ok(SecretBytes::new(bytes))
}
