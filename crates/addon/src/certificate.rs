//! Secrets whose certificate barque makes.

use std::collections::BTreeSet;

use barque_model::{CERTIFICATE_ANNOTATION, CERTIFICATE_USES_ANNOTATION, ServiceCertificate, SubjectName};
use serde_json::Value;

use crate::{AddonError, name_of};

/// Most characters of a common name (X.520, `ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;

/// The certificates that Secrets among `objects` ask for by their annotation; `domain` is the cluster's DNS domain.
///
/// A Secret gets names of Services of its own namespace and no others, so that nobody who may name a Secret can pose as the API server or as somebody else's Service.
///
/// # Errors
/// [`AddonError::Certificate`] with the Secret and what is wrong with it.
pub fn certificates(objects: &[Value], domain: &str) -> Result<Vec<ServiceCertificate>, AddonError> {
    let asked = objects.iter().filter_map(|object| {
        let names = object["metadata"]["annotations"].get(CERTIFICATE_ANNOTATION)?;
        let wrong = |message: String| AddonError::Certificate { object: name_of(object), message };
        Some(certificate(object, names, domain).map_err(wrong))
    });
    asked.collect()
}

fn certificate(secret: &Value, names: &Value, domain: &str) -> Result<ServiceCertificate, String> {
    if secret["kind"] != "Secret" || secret["type"] != "kubernetes.io/tls" {
        return Err("only a Secret of type `kubernetes.io/tls` gets a certificate".to_owned());
    }
    let own = |field: &str| ["tls.crt", "tls.key"].iter().any(|key| !secret[field][key].is_null());
    if own("data") || own("stringData") {
        return Err("it brings a certificate or key of its own, and asks for another".to_owned());
    }
    let client = match secret["metadata"]["annotations"].get(CERTIFICATE_USES_ANNOTATION).map(|uses| uses.as_str().unwrap_or_default()) {
        None | Some("server") => false,
        Some("server client") => true,
        Some(other) => return Err(format!("`{CERTIFICATE_USES_ANNOTATION}` is `server` or `server client`, not `{other}`")),
    };
    let text = |field: &str| secret["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (namespace, secret) = (text("namespace"), text("name"));
    if namespace.is_empty() {
        return Err("it has no namespace".to_owned());
    }
    let names: Vec<&str> = names.as_str().unwrap_or_default().split_whitespace().collect();
    if names.is_empty() {
        return Err("it names no Service".to_owned());
    }
    if let Some(other) = names.iter().find(|name| !is_service_of(name, &namespace, domain)) {
        return Err(format!(
            "`{other}` is no name of a Service of its namespace, such as `NAME.{namespace}.svc` or `NAME.{namespace}.svc.{domain}`"
        ));
    }
    let names: BTreeSet<SubjectName> = names.into_iter().map(|name| SubjectName::Dns(name.to_owned())).collect();
    let certificate = ServiceCertificate { namespace, secret, names, client };
    if certificate.common_name().len() > LONGEST_COMMON_NAME {
        return Err(format!("its name and namespace together are longer than {LONGEST_COMMON_NAME} characters"));
    }
    Ok(certificate)
}

/// `NAME.NAMESPACE.svc`, with the domain behind it or not; before it `*.` for the pods of a headless Service. Never the API's own.
fn is_service_of(name: &str, namespace: &str, domain: &str) -> bool {
    let in_cluster = name.strip_suffix(domain).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
    let Some(service) = in_cluster.strip_suffix(".svc").and_then(|name| name.strip_suffix(namespace)?.strip_suffix('.')) else {
        return false;
    };
    let service = service.strip_prefix("*.").unwrap_or(service);
    let is_api = namespace == "default" && service == "kubernetes";
    is_label(service) && !is_api
}

/// A label of a DNS name as Services have it (RFC 1035).
fn is_label(text: &str) -> bool {
    let is_inner = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(is_inner)
        && text.starts_with(|character: char| character.is_ascii_lowercase())
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn secret(namespace: &str, names: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "tls", "namespace": namespace, "annotations": {CERTIFICATE_ANNOTATION: names}}})
    }

    fn asked(object: Value) -> Result<Vec<ServiceCertificate>, String> {
        certificates(&[json!({"kind": "ConfigMap", "metadata": {"name": "a"}}), object], "cluster.local").map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_those_of_services_of_the_namespace() {
        let found = asked(secret("site", "web.site.svc  web.site.svc.cluster.local *.peers.site.svc")).unwrap();
        let names: BTreeSet<SubjectName> =
            ["web.site.svc", "web.site.svc.cluster.local", "*.peers.site.svc"].map(|name| SubjectName::Dns(name.into())).into();
        assert_eq!(found, [ServiceCertificate { namespace: "site".into(), secret: "tls".into(), names, client: false }]);
        assert_eq!((found[0].name(), found[0].common_name()), ("Secret site/tls".to_owned(), "tls.site".to_owned()));
        for other in [
            "web",
            "web.site",
            "web.other.svc",
            "a.web.site.svc",
            "*.site.svc",
            "web.site.svc.example.com",
            "m1",
            "10.0.0.1",
            "-a.site.svc",
            ".site.svc",
        ] {
            assert!(asked(secret("site", other)).unwrap_err().contains(&format!("`{other}` is no name of a Service")), "{other}");
        }
        assert!(asked(secret("default", "kubernetes.default.svc")).is_err(), "the API server's");
        assert!(asked(secret("default", "*.kubernetes.default.svc.cluster.local")).is_err());
        assert!(asked(secret("default", "web.default.svc")).is_ok());
    }

    #[test]
    fn what_is_no_empty_secret_for_tls_is_refused() {
        assert_eq!(asked(json!({"kind": "Secret", "metadata": {"name": "a"}})), Ok(Vec::new()));
        let with = |field: &str, value: Value| {
            let mut object = secret("site", "web.site.svc");
            object[field] = value;
            asked(object).unwrap_err()
        };
        assert!(with("type", json!("Opaque")).contains("only a Secret of type `kubernetes.io/tls`"));
        let uses = |uses: &str| {
            let mut object = secret("site", "web.site.svc");
            object["metadata"]["annotations"][CERTIFICATE_USES_ANNOTATION] = uses.into();
            asked(object).map(|found| found[0].client)
        };
        assert_eq!((uses("server"), uses("server client")), (Ok(false), Ok(true)));
        assert!(uses("client").unwrap_err().contains("not `client`"));
        assert!(with("kind", json!("ConfigMap")).starts_with("`ConfigMap site/tls`"));
        assert!(with("data", json!({"tls.key": "eA=="})).contains("of its own"));
        assert!(with("stringData", json!({"tls.crt": "x"})).contains("of its own"));
        assert!(with("metadata", json!({"name": "a", "annotations": {CERTIFICATE_ANNOTATION: "a.b.svc"}})).contains("no namespace"));
        assert!(asked(secret("site", " ")).unwrap_err().contains("no Service"));
        let long = "n".repeat(61);
        assert!(asked(secret(&long, &format!("a.{long}.svc"))).unwrap_err().contains("longer than 64"));
    }
}
