//! How long certificates last.

use jiff::Timestamp;

use crate::inspect::{self, UnreadableCertificate};
use crate::{Authority, Vault};

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Its name, such as `ca` or `m1/apiserver`.
    pub name: String,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

impl Expiry {
    /// Whole days from `now` to its end, rounded down; negative when it has ended.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        days_between(now, self.not_after)
    }
}

/// Whole days from `from` to `to`, rounded down.
pub(crate) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).div_euclid(86_400)
}

/// The ends of all certificates of `vault`: authorities first, then leaves by name.
pub fn expiry(vault: &Vault) -> Result<Vec<Expiry>, UnreadableCertificate> {
    let authorities = Authority::ALL.map(|authority| (authority.name(), vault.authority(authority)));
    let all = authorities.into_iter().chain(vault.certificates());
    all.map(|(name, pair)| Ok(Expiry { name: name.to_owned(), not_after: expiry_of_pem(pair.certificate.as_bytes())? })).collect()
}

/// The end of the first certificate in a PEM text, such as a file read from a host.
pub fn expiry_of_pem(text: &[u8]) -> Result<Timestamp, UnreadableCertificate> {
    let pem = inspect::pem(text)?;
    inspect::not_after(&inspect::certificate(&pem)?)
}
