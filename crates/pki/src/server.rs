//! The certificate of a server that belongs to no cluster, with an authority that signs nothing else.

use std::collections::BTreeSet;

use barque_model::SubjectName;
use jiff::Timestamp;
use rcgen::Issuer;

use crate::sign::{self, LEAF_LIFETIME, SignError};
use crate::{KeyedCertificate, Purpose};

/// A server's certificate and the authority that signed it, whose key is gone.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// The authority's certificate, PEM: what clients trust.
    pub authority: String,
    /// The server's certificate and key.
    pub server: KeyedCertificate,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate")]
pub struct NotMade(#[from] SignError);

/// Makes a certificate for a server that clients call by `names`; `title` names the authority. Both are valid for a year.
pub fn own_server(title: &str, names: &BTreeSet<SubjectName>, now: Timestamp) -> Result<OwnServer, NotMade> {
    let end = sign::end(now, LEAF_LIFETIME)?;
    let key = sign::new_key()?;
    let authority = sign::self_signed(title, &key, now, end)?;
    let issuer = Issuer::from_ca_cert_pem(&authority, key).map_err(SignError::from)?;
    let server = sign::signed_leaf(("server", None), &[Purpose::Server], names, &issuer, now, end)?;
    Ok(OwnServer { authority, server })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inspect;

    #[test]
    fn a_server_is_called_by_its_names() {
        let names = BTreeSet::from([SubjectName::Dns("mirror.example".into()), SubjectName::Address([192, 0, 2, 1].into())]);
        let made = own_server("a test", &names, Timestamp::now()).unwrap();
        let pem = inspect::pem(made.server.certificate.as_bytes()).unwrap();
        let leaf = inspect::certificate(&pem).unwrap();
        assert_eq!(inspect::names(&leaf).unwrap(), names);
        let authority = inspect::pem(made.authority.as_bytes()).unwrap();
        assert!(inspect::is_signed_by(&leaf, &inspect::certificate(&authority).unwrap()));
        assert!(inspect::has_exactly(&leaf, &[Purpose::Server]));
        assert!(own_server("a test", &BTreeSet::from([SubjectName::Dns("ü".into())]), Timestamp::now()).is_err(), "no name of DNS");
    }
}
