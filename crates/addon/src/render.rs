//! From an add-on and its settings to cluster objects.

use std::collections::BTreeMap;

use barque_model::{Cluster, Digest, Host, Role, ServiceCertificate, tolerates};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Value, json};

use crate::addon::Objects;
use crate::{Addon, AddonError, AddonImage, ImageUse, awaited, certificates, images, object, yaml};

/// What an add-on comes to in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The objects in the order in which they are applied; their keys are sorted.
    pub objects: Vec<Value>,
    /// Certificates that Secrets among them ask for.
    pub certificates: Vec<ServiceCertificate>,
}

impl Rendered {
    fn of(objects: Vec<Value>, cluster: &Cluster) -> Result<Self, AddonError> {
        let certificates = certificates(&objects, &cluster.network.dns_domain)?;
        Ok(Self { objects, certificates })
    }

    /// Where its objects need each of `images`, by reference.
    pub fn uses(&self, images: &[AddonImage]) -> BTreeMap<String, ImageUse> {
        images::uses(&self.objects, images.iter().map(|image| image.reference.clone()))
    }

    /// Secrets, ConfigMaps and claims that its pods do not start without and that somebody else has to make: `apiVersion`, `kind`, `metadata`.
    pub fn awaited(&self) -> Vec<Value> {
        awaited::of_objects(&self.objects)
    }
}

impl Addon {
    /// Renders its objects for `cluster`. `settings` must be whole: what [`crate::SettingsSchema::resolve`] answers.
    pub fn render(&self, cluster: &Cluster, settings: &Value) -> Result<Rendered, AddonError> {
        let templates = match &self.objects {
            Objects::BuiltIn => return Rendered::of(Vec::new(), cluster),
            Objects::Plain(objects) => return Rendered::of(objects.clone(), cluster),
            Objects::Templates(templates) => templates,
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        // Nothing is escaped by the ending of a file's name.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("digest", digest);
        environment.add_function("refuse", refuse);
        // What files of objects include.
        for (file, part) in templates.iter().filter(|(file, _)| is_part(file)) {
            let wrong = |error| AddonError::Objects { file: format!("objects/{file}"), message: in_words(&error) };
            environment.add_template(file, part).map_err(wrong)?;
        }
        let values = self.values(cluster, settings);
        let mut objects = Vec::new();
        for (file, template) in templates.iter().filter(|(file, _)| has_objects(file)) {
            let wrong = |message: String| AddonError::Objects { file: format!("objects/{file}"), message };
            let text = environment.render_named_str(file, template, &values).map_err(|error| wrong(in_words(&error)))?;
            for document in yaml::documents(&text).map_err(wrong)? {
                object::check(&document).map_err(wrong)?;
                objects.push(document);
            }
        }
        if objects.is_empty() {
            return Err(AddonError::Nothing);
        }
        Rendered::of(object::finish(&self.name, objects)?, cluster)
    }

    /// What templates know.
    fn values(&self, cluster: &Cluster, settings: &Value) -> Value {
        let images: serde_json::Map<String, Value> = self.images.iter().map(|image| (image.name.clone(), json!(image.reference))).collect();
        // Those that take a pod which tolerates the control plane's own taint.
        let takes_pods = |host: &&Host| host.is_node() && tolerates(&[], &host.taints);
        // Those that take any pod.
        let takes_all = |host: &&Host| host.is_node() && tolerates(&[], &host.all_taints());
        let host = |host: &Host| json!({"name": host.name.as_str(), "address": host.address.to_string(), "roles": host.roles});
        json!({
            "settings": settings,
            "images": images,
            "addon": {"name": self.name.as_str(), "version": self.version, "namespace": self.namespace},
            "cluster": {
                "name": cluster.name.as_str(),
                "kubernetes": cluster.kubernetes.to_string(),
                "nodes": cluster.hosts.iter().filter(takes_pods).count(),
                "workers": cluster.hosts.iter().filter(takes_all).count(),
                "masters": cluster.with_role(Role::Master).count(),
                "hosts": cluster.hosts.iter().map(host).collect::<Vec<_>>(),
                "balancers": cluster.with_role(Role::LoadBalancer).map(|host| host.address.to_string()).collect::<Vec<_>>(),
                "vip": cluster.load_balancer.as_ref().map(|balancer| balancer.vip.to_string()),
                "dnsDomain": cluster.network.dns_domain,
                "dnsAddress": cluster.network.dns_service_address().to_string(),
            },
        })
    }
}

/// The beginning of a text's SHA-256: as an annotation of pods it changes them when their configuration changes.
fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()[..16].to_owned()
}

/// Ends rendering with a reason: for settings that are right by themselves and wrong together.
fn refuse(reason: &str) -> Result<String, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason.to_owned()))
}

/// Whether other files may include it.
fn is_part(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, ending)| ending == "j2")
}

fn has_objects(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "yaml" | "yml"))
}

/// A template's fault with its line; the library names the template, which the caller does better.
fn in_words(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    // What is wrong in a file that was included says more than the line that included it.
    if let Some(inner) = std::error::Error::source(error).and_then(<dyn std::error::Error>::downcast_ref::<minijinja::Error>) {
        return inner.name().map_or_else(|| in_words(inner), |file| format!("`{file}`, {}", in_words(inner)));
    }
    error.line().map_or_else(|| detail.clone(), |line| format!("line {line}: {detail}"))
}
