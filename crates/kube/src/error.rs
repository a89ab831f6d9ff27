//! What can go wrong between barque and an API server, by kind.

use std::error::Error as StdError;
use std::io;

use kube::core::Status;

/// Why a call to the API failed. The text is the innermost cause, or the server's own message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeError {
    /// No TCP connection, or it broke.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// The TLS handshake failed, or a key or certificate given for it is unusable.
    #[error("no TLS connection to the API server: {0}")]
    Tls(String),
    /// 401: the server does not know this identity.
    #[error("the API server does not accept this identity: {0}")]
    Unauthorized(String),
    /// 403: the identity may not do this.
    #[error("the API server forbids this: {0}")]
    Forbidden(String),
    /// 409: someone else changed or created the object at the same time.
    #[error("the object was changed by someone else: {0}")]
    Conflict(String),
    /// 400, 413, 415 or 422, or an object or address that cannot be sent at all.
    #[error("the request is not valid: {0}")]
    Invalid(String),
    /// 404: no such object, or no such kind.
    #[error("not found: {0}")]
    NotFound(String),
    /// No answer in time.
    #[error("the API server did not answer in time: {0}")]
    Timeout(String),
    /// 429, 500, 502 or 503: the server is there and cannot serve now. `/readyz` answers so until the server is ready.
    #[error("the API server is not ready: {0}")]
    Unavailable(String),
    /// Anything else, such as an answer that is not JSON.
    #[error("unexpected answer of the API server: {0}")]
    Other(String),
}

impl KubeError {
    /// Whether the same call may well succeed a moment later with nobody repairing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Conflict(_) | Self::Timeout(_) | Self::Unavailable(_))
    }

    fn of_status(status: &Status) -> Self {
        let text = status_text(status);
        match status.code {
            401 => Self::Unauthorized(text),
            403 => Self::Forbidden(text),
            404 => Self::NotFound(text),
            409 => Self::Conflict(text),
            400 | 413 | 415 | 422 => Self::Invalid(text),
            408 | 504 => Self::Timeout(text),
            429 | 500 | 502 | 503 => Self::Unavailable(text),
            // A path that the API server hands on to a pod: the error is the pod's own, and its form unknown.
            0 if text.is_empty() => Self::Other("an error of what is behind this path, in a form of its own".to_owned()),
            code => Self::Other(format!("status {code}: {text}")),
        }
    }

    /// Sorts an error below HTTP by what its chain holds.
    fn of_chain(error: &(dyn StdError + 'static)) -> Self {
        let chain = chain(error);
        let text = chain.last().map_or_else(String::new, ToString::to_string);
        if chain.iter().any(|cause| cause.is::<rustls::Error>()) {
            return Self::Tls(text);
        }
        let timed_out = |cause: &&(dyn StdError + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        };
        if chain.iter().any(timed_out) { Self::Timeout(text) } else { Self::Unreachable(text) }
    }
}

impl From<kube::Error> for KubeError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::Discovery(cause) => Self::NotFound(cause.to_string()),
            kube::Error::HyperError(_) | kube::Error::Service(_) => Self::of_chain(&error),
            kube::Error::RustlsTls(cause) => Self::Tls(cause.to_string()),
            kube::Error::BuildRequest(cause) => Self::Invalid(cause.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The server's message. `/readyz` answers with a list of checks: of it, only those that fail.
fn status_text(status: &Status) -> String {
    let failed: Vec<&str> = status.message.lines().filter_map(|line| line.strip_prefix("[-]")).collect();
    if !failed.is_empty() {
        return failed.join("; ");
    }
    let message = status.message.trim();
    if message.is_empty() { status.reason.clone() } else { message.to_owned() }
}

/// The error and its causes, outermost first. An `io::Error` hides the error it wraps from `source`, so that is looked into too.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        causes.push(cause);
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => cause.source(),
        };
    }
    causes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn status(code: u16, message: &str) -> KubeError {
        kube::Error::Api(Status::failure(message, "SomeReason").with_code(code).boxed()).into()
    }

    type Kind = fn(String) -> KubeError;

    #[test]
    fn status_codes_become_kinds() {
        let cases: [(u16, Kind, bool); 12] = [
            (400, KubeError::Invalid, false),
            (401, KubeError::Unauthorized, false),
            (403, KubeError::Forbidden, false),
            (404, KubeError::NotFound, false),
            (408, KubeError::Timeout, true),
            (409, KubeError::Conflict, true),
            (413, KubeError::Invalid, false),
            (422, KubeError::Invalid, false),
            (429, KubeError::Unavailable, true),
            (500, KubeError::Unavailable, true),
            (503, KubeError::Unavailable, true),
            (504, KubeError::Timeout, true),
        ];
        for (code, kind, retryable) in cases {
            let error = status(code, "because");
            assert_eq!(error, kind("because".into()), "{code}");
            assert_eq!(error.is_retryable(), retryable, "{code}");
        }
        assert_eq!(status(418, "teapot"), KubeError::Other("status 418: teapot".into()));
        assert!(!status(418, "teapot").is_retryable());
        let of_a_pod: Status = serde_json::from_str(r#"{"errors": [{"code": "UNAVAILABLE"}]}"#).unwrap();
        let text = KubeError::from(kube::Error::Api(of_a_pod.boxed())).to_string();
        assert!(text.contains("an error of what is behind this path"), "{text}");
    }

    #[test]
    fn readyz_text_keeps_failed_checks_only() {
        let text = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac/bootstrap-roles failed\nreadyz check failed\n";
        assert_eq!(
            status(500, text),
            KubeError::Unavailable("etcd failed: reason withheld; poststarthook/rbac/bootstrap-roles failed".into())
        );
        assert_eq!(status(500, " "), KubeError::Unavailable("SomeReason".into()));
    }

    #[test]
    fn wrapped_tls_errors_are_found() {
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::General("bad".into()));
        assert!(matches!(KubeError::from(kube::Error::Service(Box::new(wrapped))), KubeError::Tls(text) if text.contains("bad")));
    }

    #[test]
    fn wrapped_timeouts_and_the_rest() {
        let late = io::Error::new(io::ErrorKind::TimedOut, "deadline has elapsed");
        assert_eq!(KubeError::from(kube::Error::Service(Box::new(late))), KubeError::Timeout("deadline has elapsed".into()));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(KubeError::from(kube::Error::Service(Box::new(refused))), KubeError::Unreachable(_)));
    }
}
