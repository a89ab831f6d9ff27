//! What a request is answered with: a pure function of its line and its token.

use std::collections::BTreeMap;

use http::{Method, StatusCode};

/// The path of what the gateway measures itself.
pub(crate) const OWN_PATH: &str = "/host";

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// The gateway's own measurements.
    Own,
    /// What this `http://` URL answers.
    Pass(&'a str),
    /// A refusal.
    Refuse(StatusCode),
}

/// Decides. Who has no token learns nothing, not even which paths there are.
pub(crate) fn answer<'a>(method: &Method, path: &str, may_ask: bool, pass: &'a BTreeMap<String, String>) -> Answer<'a> {
    if !may_ask {
        return Answer::Refuse(StatusCode::UNAUTHORIZED);
    }
    if method != Method::GET {
        return Answer::Refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    if path == OWN_PATH {
        return Answer::Own;
    }
    pass.get(path).map_or(Answer::Refuse(StatusCode::NOT_FOUND), |url| Answer::Pass(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_methods_and_tokens() {
        let pass = BTreeMap::from([("/etcd".to_owned(), "http://127.0.0.1:2381/metrics".to_owned())]);
        let of = |method, path, may_ask| answer(&method, path, may_ask, &pass);
        assert_eq!(of(Method::GET, "/etcd", true), Answer::Pass("http://127.0.0.1:2381/metrics"));
        assert_eq!(of(Method::GET, "/host", true), Answer::Own);
        assert_eq!(of(Method::GET, "/haproxy", true), Answer::Refuse(StatusCode::NOT_FOUND));
        assert_eq!(of(Method::GET, "/etcd/../v3/kv/range", true), Answer::Refuse(StatusCode::NOT_FOUND));
        assert_eq!(of(Method::POST, "/etcd", true), Answer::Refuse(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(of(Method::GET, "/etcd", false), Answer::Refuse(StatusCode::UNAUTHORIZED));
        assert_eq!(of(Method::GET, "/nothing", false), Answer::Refuse(StatusCode::UNAUTHORIZED));
    }
}
