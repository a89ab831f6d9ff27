//! One SSH session in this process: handshake, host key, login.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::{Disconnect, Preferred, cipher};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::ConnectError;
use crate::host_key;
use crate::known_hosts::KnownHosts;
use crate::settings::Settings;

/// Judges the host key when russh asks.
pub(crate) struct Verifier {
    /// Name in known_hosts.
    pub(crate) name: String,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) settings: Arc<Settings>,
}

impl client::Handler for Verifier {
    type Error = ConnectError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, ConnectError> {
        let accepted = host_key::check(&self.name, shown, &self.files, self.settings.host_keys, SystemTime::now())?;
        if let Some(accepted) = accepted {
            self.settings.prompt.host_key_accepted(&accepted);
        }
        Ok(true)
    }
}

/// A session, and the one that carries it.
pub(crate) struct Session {
    pub(crate) handle: Handle<Verifier>,
    /// The jump host's session lives as long.
    pub(crate) _via: Option<Arc<Session>>,
}

impl Session {
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Says good-bye; the peer may be gone already.
    pub(crate) async fn disconnect(&self) {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}

/// Exchanges keys over `stream` and verifies the host's.
pub(crate) async fn handshake<S>(
    stream: S,
    verifier: Verifier,
    host_key_algorithms: &[String],
    place: &str,
) -> Result<Handle<Verifier>, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = verifier.settings.connect_timeout;
    let config = config(&verifier, host_key_algorithms)?;
    match tokio::time::timeout(limit, client::connect_stream(Arc::new(config), stream, verifier)).await {
        Ok(result) => result.map_err(|error| error.at(place)),
        Err(_) => Err(ConnectError::Timeout { address: place.to_owned(), stage: "handshake", after: limit }),
    }
}

fn config(verifier: &Verifier, host_key_algorithms: &[String]) -> Result<client::Config, ConnectError> {
    let known = KnownHosts::read(verifier.files.iter().map(PathBuf::as_path))?;
    let algorithms = host_key::algorithms(&known, &verifier.name, host_key_algorithms);
    // A certificate is asked for only where an authority is known: else a host whose bare key is known would show what nobody can judge.
    let certificates = if known.authorities(&verifier.name).next().is_some() { algorithms.clone() } else { Vec::new() };
    Ok(client::Config {
        // Interactive frames must not wait for Nagle's algorithm. TCP itself is opened by us, which sets it there.
        nodelay: true,
        // russh's 2 MiB window stalls bulk data coming back on links with latency.
        window_size: 16 << 20,
        // russh's limit; it counts the payload only.
        maximum_packet_size: 65_535,
        channel_buffer_size: 256,
        keepalive_interval: Some(Duration::from_secs(5)),
        keepalive_max: 3,
        preferred: Preferred {
            key: algorithms.into(),
            host_key_certificates: certificates.into(),
            cipher: ciphers(has_aes_instructions()).into(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    })
}

/// AES-GCM is the fastest where the processor has AES instructions (217-301 against 186-194 MiB/s measured), ChaCha20 elsewhere.
fn ciphers(aes: bool) -> Vec<cipher::Name> {
    let (first, second) =
        if aes { (cipher::AES_256_GCM, cipher::CHACHA20_POLY1305) } else { (cipher::CHACHA20_POLY1305, cipher::AES_256_GCM) };
    vec![first, second, cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR]
}

#[cfg(target_arch = "x86_64")]
fn has_aes_instructions() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes_instructions() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes_instructions() -> bool {
    false
}
