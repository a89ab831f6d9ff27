//! Listens, and answers one request per connection.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barque_model::MetricsGateway;
use bytes::Bytes;
use fs_err as fs;
use http::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::GatewayError;
use crate::answer::{Answer, answer};
use crate::measure::{self, measure};
use crate::pass::pass;
use crate::token::Callers;

/// Connections at a time. Two Prometheus ask three paths each; whoever comes beyond that waits in the kernel's queue.
const CONNECTIONS: usize = 32;
/// A connection's whole life: handshake, request and answer.
const LIFE: Duration = Duration::from_secs(20);
/// Until a request's header is there.
const HEADER: Duration = Duration::from_secs(5);
/// Longest header, in bytes.
const MAX_HEADER: usize = 16 << 10;

/// What every connection needs.
struct Gateway {
    configuration: MetricsGateway,
    callers: Callers,
}

/// Serves until `stop`; `configuration` is the path of its file, see [`MetricsGateway`]. Prints nothing.
pub async fn serve(configuration: &Path, stop: CancellationToken) -> Result<(), GatewayError> {
    let configuration = read(configuration)?;
    let public_key = &configuration.caller.public_key;
    let callers = Callers::new(&configuration.caller, &fs::read(public_key)?)
        .ok_or_else(|| GatewayError::Content { path: public_key.clone(), what: "public key" })?;
    let acceptor = TlsAcceptor::from(Arc::new(tls(&configuration)?));
    let address = configuration.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| GatewayError::Listen { address, source })?;
    let gateway = Arc::new(Gateway { configuration, callers });
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return Ok(()),
        };
        // A caller that is gone again, or no descriptor left: others are not to suffer.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (acceptor, gateway) = (acceptor.clone(), Arc::clone(&gateway));
        tokio::spawn(async move {
            let _slot = slot;
            // Who breaks off or is too slow has lost; nobody is left to tell.
            let _over = tokio::time::timeout(LIFE, connection(stream, acceptor, gateway)).await;
        });
    }
}

fn read(path: &Path) -> Result<MetricsGateway, GatewayError> {
    let wrong = |error: toml::de::Error| GatewayError::Configuration { path: path.display().to_string(), message: error.to_string() };
    toml::from_str(&fs::read_to_string(path)?).map_err(wrong)
}

fn tls(configuration: &MetricsGateway) -> Result<ServerConfig, GatewayError> {
    let MetricsGateway { certificate, key, .. } = configuration;
    let content = |path: &str, what| GatewayError::Content { path: path.to_owned(), what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&fs::read(certificate)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| content(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&fs::read(key)?).map_err(|_| content(key, "private key"))?;
    let unusable = |source| GatewayError::Certificate { certificate: certificate.clone(), source };
    ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private).map_err(unusable)
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, gateway: Arc<Gateway>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.answer(&request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(MAX_HEADER).keep_alive(false);
    let _closed = server.serve_connection(TokioIo::new(stream), service).await;
}

impl Gateway {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let headers = request.headers();
        let may_ask = self.callers.may_ask(headers.get(AUTHORIZATION));
        match answer(request.method(), request.uri().path(), may_ask, &self.configuration.pass) {
            Answer::Own => {
                let wanted = self.configuration.host.clone();
                match tokio::task::spawn_blocking(move || measure(&wanted)).await {
                    Ok(text) => metrics(HeaderValue::from_static(measure::CONTENT_TYPE), text.into()),
                    Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                }
            }
            Answer::Pass(url) => match pass(url, headers.get(ACCEPT)).await {
                Ok(passed) => metrics(passed.content_type, passed.body),
                Err(message) => plain(StatusCode::BAD_GATEWAY, message),
            },
            Answer::Refuse(status) => refuse(status),
        }
    }
}

fn metrics(content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn plain(status: StatusCode, message: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(message + "\n")));
    *response.status_mut() = status;
    response
}

fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = plain(status, status.canonical_reason().unwrap_or("refused").to_owned());
    let header = match status {
        StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
        StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "GET")),
        _ => None,
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
