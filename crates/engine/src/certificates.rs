//! Certificates of Services: which ones the cluster wants, and their way into its Secrets.
//!
//! A plan names a Secret's certificate by its digest; certificate and key come in when objects go to a host, so that no plan that lies on a disk has a
//! key in it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use barque_addon::name_of;
use barque_model::{CERTIFICATE_ANNOTATION, CERTIFICATE_DIGEST_ANNOTATION, Digest, ServiceCertificate};
use barque_pki::{KeyedCertificate, Vault};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::{Context, EngineError};

/// The certificates that Secrets of CoreDNS and of the add-ons that are on ask for.
pub(crate) fn wanted(context: &Context) -> Result<Vec<ServiceCertificate>, EngineError> {
    let mut wanted = Vec::new();
    for (addon, rendered) in crate::addons::rendered(&context.addons, &context.cluster)? {
        wanted.extend(rendered.certificates);
        if addon.is_built_in() {
            let objects = barque_render::objects(&context.cluster, &context.release).dns;
            let failed = |source| EngineError::Addon { name: addon.name.clone(), source };
            wanted.extend(barque_addon::certificates(&objects, &context.cluster.network.dns_domain).map_err(failed)?);
        }
    }
    Ok(wanted)
}

/// Certificates of Services with their keys, by their Secrets' names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates(BTreeMap<String, KeyedCertificate>);

impl Certificates {
    /// Those that the vault has.
    pub(crate) fn of(vault: &Vault) -> Self {
        Self(vault.services().map(|(name, certificate)| (name.to_owned(), certificate.clone())).collect())
    }

    /// Names the certificate in the annotations of a Secret that asks for one.
    pub(crate) fn mark(&self, object: &mut Value) {
        if let Some(found) = self.asked_by(object) {
            object["metadata"]["annotations"][CERTIFICATE_DIGEST_ANNOTATION] = Digest::of(found.certificate.as_bytes()).to_string().into();
        }
    }

    /// The object with the certificate and key that it asks for; as it is when it asks for none, or brings them.
    pub(crate) fn fill<'a>(&self, object: &'a str) -> Cow<'a, str> {
        // Most objects are none, and need not be parsed.
        if !object.contains(CERTIFICATE_ANNOTATION) {
            return Cow::Borrowed(object);
        }
        let Ok(mut value) = serde_json::from_str::<Value>(object) else { return Cow::Borrowed(object) };
        let Some(found) = self.asked_by(&value) else { return Cow::Borrowed(object) };
        if !value["data"]["tls.key"].is_null() {
            return Cow::Borrowed(object);
        }
        value["data"]["tls.crt"] = BASE64_STANDARD.encode(&found.certificate).into();
        value["data"]["tls.key"] = BASE64_STANDARD.encode(found.key.expose()).into();
        Cow::Owned(value.to_string())
    }

    fn asked_by(&self, object: &Value) -> Option<&KeyedCertificate> {
        object["metadata"]["annotations"][CERTIFICATE_ANNOTATION].as_str()?;
        self.0.get(&name_of(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn certificates() -> Certificates {
        let cluster = crate::testing::cluster();
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let (vault, _) = barque_pki::issue(&cluster, None, now).unwrap();
        let secret = json!([secret()]);
        let wanted = barque_addon::certificates(secret.as_array().unwrap(), "cluster.local").unwrap();
        let (vault, issued) = barque_pki::issue_services(vault, &wanted, now).unwrap();
        assert_eq!(issued.len(), 1);
        Certificates::of(&vault)
    }

    fn secret() -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "tls", "namespace": "site", "annotations": {CERTIFICATE_ANNOTATION: "web.site.svc"}}})
    }

    #[test]
    fn a_secret_is_marked_in_the_plan_and_filled_on_its_way() {
        let certificates = certificates();
        let mut marked = secret();
        certificates.mark(&mut marked);
        let digest = marked["metadata"]["annotations"][CERTIFICATE_DIGEST_ANNOTATION].as_str().unwrap().to_owned();
        assert!(marked["data"].is_null());
        let text = marked.to_string();
        let filled: Value = serde_json::from_str(&certificates.fill(&text)).unwrap();
        let part = |key: &str| String::from_utf8(BASE64_STANDARD.decode(filled["data"][key].as_str().unwrap()).unwrap()).unwrap();
        assert!(part("tls.key").starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(digest, Digest::of(part("tls.crt").as_bytes()).to_string());
        // As it was applied it stays: `drift` compares with that.
        let applied = filled.to_string();
        assert!(matches!(certificates.fill(&applied), Cow::Borrowed(_)));
    }

    #[test]
    fn other_objects_stay_as_they_are() {
        let certificates = certificates();
        for mut other in [
            json!({"kind": "ConfigMap", "metadata": {"name": "tls", "namespace": "site"}}),
            json!({"kind": "Secret", "metadata": {"name": "tls", "namespace": "site"}}),
            json!({"kind": "Secret", "metadata": {"name": "unknown", "namespace": "site", "annotations": {CERTIFICATE_ANNOTATION: "web.site.svc"}}}),
        ] {
            let before = other.to_string();
            certificates.mark(&mut other);
            assert_eq!(other.to_string(), before);
            assert!(matches!(certificates.fill(&before), Cow::Borrowed(_)));
        }
        assert!(matches!(certificates.fill(CERTIFICATE_ANNOTATION), Cow::Borrowed(_)), "no JSON");
    }
}
