//! Why the gateway does not start.

use std::net::SocketAddr;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// The configuration is wrong.
    #[error("the configuration {path} is wrong: {message}; `barque up` writes it anew")]
    Configuration {
        /// Its path.
        path: String,
        /// What is wrong, with its line.
        message: String,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what}; `barque up` writes it anew")]
    Content {
        /// Its path.
        path: String,
        /// What it should hold, such as `certificate`.
        what: &'static str,
    },
    /// Certificate and key cannot be used together.
    #[error("the certificate {certificate} cannot be used with its key; `barque up` writes both anew")]
    Certificate {
        /// The certificate's path.
        certificate: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// It cannot listen.
    #[error("cannot listen on {address}; `ss -ltnp` shows who has the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
