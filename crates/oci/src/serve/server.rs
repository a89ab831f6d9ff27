//! Connections, and requests on them.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barque_bundle::Bundle;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer::{Content, answer, broken, unauthorized};
use super::body::{Sent, open};
use super::catalog::Catalog;
use super::quiet::Quiet;
use super::tls::ServerTls;
use super::users::Users;

/// Further clients wait.
const CONNECTIONS: usize = 128;
/// Passwords that are checked at a time: each takes a processor.
const LOGINS: usize = 2;
/// Bytes of a request's headers, and their number.
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest wait for a request's headers, the pause before it included.
const REQUEST: Duration = Duration::from_secs(30);
/// Longest time in which nothing moves.
const SILENCE: Duration = Duration::from_mins(1);
/// What is under way at the end has so long.
const GRACE: Duration = Duration::from_secs(10);
/// When the system has no room for a connection, it may have soon.
const PAUSE: Duration = Duration::from_millis(200);

/// What is handed out, and to whom.
#[derive(Debug)]
pub struct Service {
    /// The bundle, which has been verified.
    pub bundle: Bundle,
    /// What it has.
    pub catalog: Catalog,
    /// Who may ask; everybody without.
    pub users: Option<Users>,
}

/// What happened, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A request was answered; its content is still on the way.
    Answered {
        /// Who asked.
        peer: SocketAddr,
        /// As which user.
        user: Option<String>,
        /// The method.
        method: String,
        /// Path and query.
        target: String,
        /// The status.
        status: u16,
        /// Size of the content that the answer announces, in bytes.
        size: u64,
    },
    /// A connection ended before its time, or none came about.
    Broken {
        /// With whom, where that is known.
        peer: Option<SocketAddr>,
        /// Why.
        why: String,
    },
}

struct Shared {
    service: Service,
    logins: Semaphore,
    tell: Box<dyn Fn(Told) + Send + Sync>,
}

/// Answers whoever connects to `listener`, until `stop`; what is under way then has ten seconds. Needs a runtime with several threads for
/// blocking work.
pub async fn serve(
    listener: TcpListener,
    tls: &ServerTls,
    service: Service,
    tell: impl Fn(Told) + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
    let shared = Arc::new(Shared { service, logins: Semaphore::new(LOGINS), tell: Box::new(tell) });
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&places).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let (acceptor, shared, stop) = (acceptor.clone(), Arc::clone(&shared), stop.clone());
                connections.spawn(async move {
                    if let Err(why) = connection(stream, peer, &acceptor, &shared, &stop).await {
                        (shared.tell)(Told::Broken { peer: Some(peer), why });
                    }
                    drop(place);
                });
            }
            Err(error) => {
                (shared.tell)(Told::Broken { peer: None, why: format!("no connection could be taken: {error}") });
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: &TlsAcceptor,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
) -> Result<(), String> {
    // Nobody is slower for it, and small answers do not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let handshake = timeout(HANDSHAKE, acceptor.accept(Quiet::new(stream, SILENCE))).await;
    let stream = handshake.map_err(|_| "no TLS handshake in time".to_owned())?.map_err(|error| format!("TLS: {error}"))?;
    let answer = service_fn(|request| async { Ok::<_, Infallible>(answered(shared, peer, request).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(served);
    let done = if let Some(done) = stop.run_until_cancelled(served.as_mut()).await {
        done
    } else {
        served.as_mut().graceful_shutdown();
        served.await
    };
    match done {
        Err(error) if !is_usual(&error) => Err(chain(&error)),
        _ => Ok(()),
    }
}

async fn answered(shared: &Arc<Shared>, peer: SocketAddr, request: Request<Incoming>) -> Response<Sent> {
    let (parts, _) = request.into_parts();
    let user = user(shared, &parts.headers).await;
    let found = match &user {
        Err(()) => unauthorized(),
        Ok(_) => answer(&shared.service.catalog, &parts.method, &parts.uri, &parts.headers),
    };
    let opened = Arc::clone(shared);
    let (head, content) = found.into_parts();
    let sent = tokio::task::spawn_blocking(move || open(&opened.service.bundle, content)).await;
    let answer = match sent {
        Ok(Ok(sent)) => Response::from_parts(head, sent),
        failed => {
            let why = failed.map_or_else(|error| error.to_string(), |opened| opened.err().map_or_else(String::new, |error| chain(&error)));
            (shared.tell)(Told::Broken { peer: Some(peer), why });
            broken().map(|content| match content {
                Content::Text(text) => Sent::Text(Some(text)),
                Content::Source(_) => Sent::Text(None),
            })
        }
    };
    let size = answer.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    let (method, target) = (parts.method.to_string(), parts.uri.to_string());
    (shared.tell)(Told::Answered { peer, user: user.ok().flatten(), method, target, status: answer.status().as_u16(), size });
    answer
}

/// Who asks; fails where users are needed and this is none of them.
async fn user(shared: &Arc<Shared>, headers: &http::HeaderMap) -> Result<Option<String>, ()> {
    let Some(users) = &shared.service.users else { return Ok(None) };
    let header = headers.get(AUTHORIZATION).ok_or(())?.as_bytes().to_vec();
    if let Some(user) = users.known(&header) {
        return Ok(Some(user));
    }
    let _turn = shared.logins.acquire().await.map_err(|_| ())?;
    let shared = Arc::clone(shared);
    let checked = tokio::task::spawn_blocking(move || shared.service.users.as_ref().and_then(|users| users.check(&header)));
    checked.await.ok().flatten().map(Some).ok_or(())
}

/// Clients go as they like, and idle ones are sent away: nothing to tell.
fn is_usual(error: &hyper::Error) -> bool {
    error.is_timeout() || error.is_incomplete_message() || error.is_canceled() || error.is_shutdown()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
