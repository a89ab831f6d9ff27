//! Asks a program on loopback for its metrics.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Longest answer that is passed on, in bytes. Measured: etcd's metrics have about 150 KB, haproxy's for five servers about 60 KB.
const MAX_ANSWER: usize = 16 << 20;
/// Prometheus itself waits for ten seconds at most.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a program answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

/// Asks `url`, an `http://` URL. The error is a phrase for the caller, who is trusted.
pub(crate) async fn pass(url: &str, accept: Option<&HeaderValue>) -> Result<Passed, String> {
    match tokio::time::timeout(PATIENCE, ask(url, accept)).await {
        Ok(answer) => answer.map_err(|error| format!("{url}: {error}")),
        Err(_) => Err(format!("{url}: no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn ask(url: &str, accept: Option<&HeaderValue>) -> Result<Passed, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| text(&error))?;
    let authority = uri.authority().ok_or("no host in the URL")?.as_str();
    let stream = TcpStream::connect(authority).await.map_err(|error| text(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::get(path).header(HOST, authority);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()));
    }
    let plain = HeaderValue::from_static(crate::measure::CONTENT_TYPE);
    let content_type = response.headers().get(CONTENT_TYPE).cloned().unwrap_or(plain);
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| text(error.as_ref()))?;
    Ok(Passed { content_type, body: body.to_bytes() })
}
