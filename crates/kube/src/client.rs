//! The connection to one API server.

use std::fmt;
use std::time::Duration;

use barque_model::KubeAccess;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{Request, Uri};
use kube::Config;
use kube::config::AuthInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::KubeError;

/// Under this name the API server notes which fields barque owns.
pub const FIELD_MANAGER: &str = "barque";

/// Longest wait for a connection, TLS handshake included. A host that is there answers in milliseconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest silence of the server after a request. Above the server's own limits for what barque asks.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one API server, cheap to clone. Calls do not try again by themselves: see [`KubeError::is_retryable`].
#[derive(Clone)]
pub struct Client {
    inner: kube::Client,
    server: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client; nothing is sent yet. Proxies named in the environment are not used: the API of a cluster that is being
    /// made is not behind one. Must be called inside a Tokio runtime, because requests are queued by a task.
    pub fn connect(access: &KubeAccess) -> Result<Self, KubeError> {
        let mut config = configuration(&access.server, &access.authority)?;
        config.auth_info = AuthInfo {
            client_certificate_data: Some(BASE64.encode(&access.certificate)),
            client_key_data: Some(BASE64.encode(access.key.expose()).into()),
            ..AuthInfo::default()
        };
        Self::of(config, &access.server)
    }

    fn of(config: Config, server: &str) -> Result<Self, KubeError> {
        Ok(Self { inner: kube::Client::try_from(config)?, server: server.to_owned() })
    }

    /// Asks `/readyz`: `Ok` when the server is ready to serve.
    pub async fn ready(&self) -> Result<(), KubeError> {
        self.get_text("/readyz").await.map(drop)
    }

    /// Answers `GET path` as JSON, for what has no call of its own. `path` begins with `/` and may have a query.
    pub async fn get_json(&self, path: &str) -> Result<Value, KubeError> {
        let text = self.get_text(path).await?;
        serde_json::from_str(&text).map_err(|error| KubeError::Other(format!("`{path}` is not JSON: {error}")))
    }

    /// Answers `GET path` as it is, for paths that lead to a service.
    pub async fn get_text(&self, path: &str) -> Result<String, KubeError> {
        let request = Request::get(path).body(Vec::new()).map_err(|error| KubeError::Invalid(format!("path `{path}`: {error}")))?;
        Ok(self.inner.request_text(request).await?)
    }

    pub(crate) fn inner(&self) -> kube::Client {
        self.inner.clone()
    }

    /// A client of a server that is a function.
    #[cfg(test)]
    pub(crate) fn with_service(server: crate::testing::FakeServer) -> Self {
        Self { inner: kube::Client::new(server, "default"), server: "https://test".to_owned() }
    }
}

/// Asks `/readyz` without an identity, the way a load balancer does. `authority_pem` must be the CA of the server's certificate.
/// Must run inside a Tokio runtime.
pub async fn ready_anonymous(server: &str, authority_pem: &str) -> Result<(), KubeError> {
    Client::of(configuration(server, authority_pem)?, server)?.ready().await
}

/// Everything but the identity.
fn configuration(server: &str, authority_pem: &str) -> Result<Config, KubeError> {
    let uri: Uri = server.parse().map_err(|error| KubeError::Invalid(format!("server `{server}`: {error}")))?;
    if uri.scheme_str() != Some("https") {
        return Err(KubeError::Invalid(format!("server `{server}` must begin with `https://`")));
    }
    let authorities: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(authority_pem.as_bytes())
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| KubeError::Tls(format!("the certificate authority is not PEM: {error}")))?;
    if authorities.is_empty() {
        return Err(KubeError::Tls("the certificate authority holds no certificate".into()));
    }
    let mut config = Config::new(uri);
    config.root_cert = Some(authorities);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(READ_TIMEOUT);
    // Without this the idle time of a pooled connection counts against the next answer.
    config.reset_reader_on_write = true;
    // A gate wants to hear at once that the server is not ready; it has its own rhythm.
    config.default_retry = false;
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use barque_model::SecretBytes;

    use super::*;

    /// A certificate authority and a client identity signed by itself.
    fn identity() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(vec!["tester".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[test]
    fn addresses_and_authorities_are_checked() {
        let (certificate, _) = identity();
        for (server, expected) in
            [("http://10.0.0.1:6443", "https://"), ("10.0.0.1:6443", "https://"), ("https://a b", "server `https://a b`")]
        {
            let error = configuration(server, &certificate).unwrap_err();
            assert!(matches!(&error, KubeError::Invalid(text) if text.contains(expected)), "{server}: {error}");
        }
        assert!(matches!(configuration("https://10.0.0.1:6443", ""), Err(KubeError::Tls(_))));
        assert!(matches!(configuration("https://10.0.0.1:6443", "-----BEGIN CERTIFICATE-----\n"), Err(KubeError::Tls(_))));
        let config = configuration("https://10.0.0.1:6443", &certificate).unwrap();
        assert_eq!(config.connect_timeout, Some(CONNECT_TIMEOUT));
        assert_eq!(config.read_timeout, Some(READ_TIMEOUT));
        assert_eq!(config.proxy_url, None);
    }

    #[tokio::test]
    async fn a_key_that_is_none_is_a_tls_error_and_never_shown() {
        let (certificate, key) = identity();
        let mut access = KubeAccess {
            server: "https://10.0.0.1:6443".into(),
            authority: certificate.clone(),
            certificate,
            key: SecretBytes::new(key.into_bytes()),
        };
        let client = Client::connect(&access).unwrap();
        assert_eq!(format!("{client:?}"), "Client { server: \"https://10.0.0.1:6443\", .. }");
        access.key = SecretBytes::new(b"hunter2".to_vec());
        let error = Client::connect(&access).unwrap_err();
        assert!(matches!(error, KubeError::Tls(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable() {
        let (certificate, _) = identity();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = ready_anonymous(&format!("https://127.0.0.1:{port}"), &certificate).await.unwrap_err();
        assert!(matches!(error, KubeError::Unreachable(_)), "{error}");
        assert!(error.is_retryable());
    }

    #[tokio::test]
    async fn a_silent_server_times_out() {
        let (certificate, _) = identity();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = ready_anonymous(&format!("https://127.0.0.1:{port}"), &certificate).await.unwrap_err();
        assert!(matches!(error, KubeError::Timeout(_)), "{error}");
    }
}
