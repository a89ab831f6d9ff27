//! How a registry is reached.

use std::time::Duration;

use barque_model::SecretBytes;
use oci_client::Client;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;

use crate::error::OciError;
use crate::place::Place;

/// Longest wait for a connection, TLS handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence within an answer.
const SILENCE: Duration = Duration::from_mins(1);

/// What it takes to reach a registry.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Certificates (PEM) of the authority that signed the registry's; none: those that this machine trusts.
    pub authority: Option<Vec<u8>>,
    /// User and password.
    pub credentials: Option<(String, SecretBytes)>,
    /// HTTP in place of HTTPS.
    pub is_plain: bool,
}

/// A registry that is ready to be asked; nothing was sent yet.
pub(crate) struct Registry {
    pub(crate) client: Client,
    pub(crate) auth: RegistryAuth,
}

impl Access {
    pub(crate) fn registry(&self, place: &Place) -> Result<Registry, OciError> {
        let certificate = |data: &Vec<u8>| Certificate { encoding: CertificateEncoding::Pem, data: data.clone() };
        let config = ClientConfig {
            protocol: if self.is_plain { ClientProtocol::Http } else { ClientProtocol::Https },
            tls_certs_only: self.authority.iter().map(certificate).collect(),
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            user_agent: concat!("barque/", env!("CARGO_PKG_VERSION")),
            // One request with the whole blob: what a proxy in between handles best.
            use_monolithic_push: true,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| OciError::of(place, "prepare a client", &error))?;
        let auth = match &self.credentials {
            None => RegistryAuth::Anonymous,
            Some((user, password)) => RegistryAuth::Basic(user.clone(), String::from_utf8_lossy(password.expose()).into_owned()),
        };
        Ok(Registry { client, auth })
    }
}
