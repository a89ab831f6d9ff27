//! Certificates and keys in PEM (RFC 7468).

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why a file is not one with certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateFault {
    /// No block of PEM is a certificate.
    #[error("holds no certificate")]
    None,
    /// A block says that it is a certificate and is none.
    #[error("holds a certificate that cannot be read")]
    Unreadable,
    /// A key is in it, and its copies would be readable by everybody.
    #[error("holds a private key")]
    Key,
}

impl CertificateFault {
    /// What to do.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::None => "name a file in PEM: it has a line `-----BEGIN CERTIFICATE-----`",
            Self::Unreadable => "look at it with `openssl x509 -in FILE -noout -text`, and get it anew",
            Self::Key => "name a file that holds certificates only; the key belongs in a file of its own",
        }
    }
}

/// The certificates in `content`, as text.
pub(crate) fn certificates(content: &[u8]) -> Result<String, CertificateFault> {
    let text = std::str::from_utf8(content).map_err(|_| CertificateFault::None)?;
    if text.contains("PRIVATE KEY-----") {
        return Err(CertificateFault::Key);
    }
    let mut count = 0;
    for block in Pem::iter_from_buffer(content) {
        let block = block.map_err(|_| CertificateFault::Unreadable)?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        X509Certificate::from_der(&block.contents).map_err(|_| CertificateFault::Unreadable)?;
        count += 1;
    }
    if count == 0 { Err(CertificateFault::None) } else { Ok(ended(text)) }
}

/// Whether `content` begins a private key that is not encrypted.
pub(crate) fn is_private_key(content: &[u8]) -> bool {
    let key = |block: Pem| block.label.ends_with("PRIVATE KEY") && block.label != "ENCRYPTED PRIVATE KEY";
    Pem::iter_from_buffer(content).any(|block| block.is_ok_and(key))
}

/// With a line end at its end, as files have.
fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}
