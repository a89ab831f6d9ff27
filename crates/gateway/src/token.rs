//! Whether a caller's token is Prometheus's.

use barque_model::MetricsCaller;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Longest token that is looked at, in bytes; the API server's have about one thousand.
const MAX_TOKEN: usize = 8 << 10;

/// Verifies tokens of one ServiceAccount for one audience.
pub(crate) struct Callers {
    key: DecodingKey,
    rules: Validation,
}

/// Nothing more of a token is of interest: the rules look at its claims by themselves.
#[derive(Deserialize)]
struct Claims {}

impl Callers {
    /// `public_key` is a PEM file's content: the cluster's key for ServiceAccounts, an ECDSA key on P-256. `None` when it holds none.
    pub(crate) fn new(caller: &MetricsCaller, public_key: &[u8]) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(public_key).ok()?;
        let (_, info) = SubjectPublicKeyInfo::from_der(der.as_ref()).ok()?;
        let point = &info.subject_public_key.data;
        // The algorithm is not taken from the token.
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&caller.issuer]);
        rules.set_audience(&[&caller.audience]);
        rules.sub = Some(caller.subject.clone());
        rules.validate_nbf = true;
        Some(Self { key: DecodingKey::from_ec_der(point), rules })
    }

    /// Whether an `Authorization` header brings such a token.
    pub(crate) fn may_ask(&self, authorization: Option<&HeaderValue>) -> bool {
        let token = authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token.filter(|token| token.len() <= MAX_TOKEN) else { return false };
        decode::<Claims>(token.trim(), &self.key, &self.rules).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::{KeyPair, PublicKeyData as _};
    use serde_json::{Value, json};

    use super::*;

    fn caller() -> MetricsCaller {
        MetricsCaller {
            public_key: String::new(),
            issuer: "https://kubernetes.default.svc.cluster.local".into(),
            audience: "barque-metrics".into(),
            subject: "system:serviceaccount:monitoring:prometheus".into(),
        }
    }

    fn seconds(offset: i64) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        i64::try_from(now).unwrap() + offset
    }

    /// As the API server makes them.
    fn claims() -> Value {
        json!({
            "aud": ["barque-metrics"],
            "exp": seconds(3600),
            "iat": seconds(0),
            "nbf": seconds(0),
            "iss": "https://kubernetes.default.svc.cluster.local",
            "sub": "system:serviceaccount:monitoring:prometheus",
            "kubernetes.io": {"namespace": "monitoring", "serviceaccount": {"name": "prometheus"}},
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    fn signed(key: &KeyPair, claims: &Value) -> String {
        encode(&Header::new(Algorithm::ES256), claims, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap()
    }

    fn allowed(key: &KeyPair, header: &str) -> bool {
        Callers::new(&caller(), key.public_key_pem().as_bytes()).unwrap().may_ask(Some(&HeaderValue::from_str(header).unwrap()))
    }

    #[test]
    fn only_prometheus_with_a_token_for_metrics_may_ask() {
        let key = KeyPair::generate().unwrap();
        let token = |claims: &Value| format!("Bearer {}", signed(&key, claims));
        assert!(allowed(&key, &token(&claims())));
        for (what, claims) in [
            ("another ServiceAccount", with("sub", json!("system:serviceaccount:monitoring:alertmanager"))),
            ("no subject", with("sub", Value::Null)),
            ("a token for the API", with("aud", json!(["https://kubernetes.default.svc.cluster.local"]))),
            ("another cluster's", with("iss", json!("https://kubernetes.default.svc.other.local"))),
            ("ended", with("exp", json!(seconds(-120)))),
            ("without an end", with("exp", Value::Null)),
            ("of tomorrow", with("nbf", json!(seconds(86_400)))),
        ] {
            assert!(!allowed(&key, &token(&claims)), "{what}");
        }
        let other = KeyPair::generate().unwrap();
        assert!(!allowed(&other, &token(&claims())), "another key");
        for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", &signed(&key, &claims())] {
            assert!(!allowed(&key, header), "{header:?}");
        }
    }

    #[test]
    fn an_algorithm_of_the_tokens_choice_counts_for_nothing() {
        let key = KeyPair::generate().unwrap();
        let public = key.public_key_pem();
        for secret in [public.as_bytes(), key.subject_public_key_info().as_slice(), b""] {
            let forged = encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(secret)).unwrap();
            assert!(!allowed(&key, &format!("Bearer {forged}")));
        }
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
        assert!(!allowed(&key, &format!("Bearer {unsigned}")));
        assert!(!allowed(&key, &format!("Bearer {}", "a".repeat(MAX_TOKEN + 1))));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(Callers::new(&caller(), b"").is_none());
        assert!(Callers::new(&caller(), b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").is_none());
    }
}
