//! What the add-ons of a cluster come to.

use std::collections::BTreeMap;

use barque_addon::Check;
use barque_model::AddonName;
use barque_plan::{AddonWanted, ClusterGate};
use serde_json::Value;

use crate::certificates::Certificates;
use crate::prepare::named;
use crate::{Context, EngineError};

/// The add-ons that are on, rendered, in the order in which they are applied. `dns` is not among them: barque renders it by itself.
pub(crate) fn wanted(context: &Context, certificates: &Certificates) -> Result<Vec<AddonWanted>, EngineError> {
    let mut found: Vec<AddonWanted> = Vec::new();
    let mut owners: BTreeMap<String, AddonName> = BTreeMap::new();
    for chosen in &context.cluster.addons {
        let Some(addon) = context.addons.find(chosen).filter(|addon| !addon.is_built_in()) else { continue };
        let failed = |source| EngineError::Addon { name: addon.name.clone(), source };
        let rendered = addon.render(&context.cluster, &chosen.settings).map_err(failed)?;
        let checks =
            addon.checks.iter().filter(|check| is_of(check, &rendered.objects)).map(|check| gate(check, &rendered.objects)).collect();
        let objects = named(&rendered.objects, certificates);
        for object in &objects {
            if let Some(other) = owners.insert(object.name.clone(), addon.name.clone()) {
                return Err(EngineError::AddonsShare { object: object.name.clone(), addons: [other, addon.name.clone()] });
            }
        }
        let images = super::images::bundled(addon, &rendered, &context.cluster).into_iter().map(|need| need.reference).collect();
        found.push(AddonWanted { name: addon.name.clone(), needs: addon.needs_with(&chosen.settings), objects, images, checks });
    }
    Ok(found)
}

/// Whether a check is about something that the settings leave in.
fn is_of(check: &Check, objects: &[Value]) -> bool {
    let has = |kind: &str, namespace: &str, name: &str| {
        objects.iter().any(|object| {
            let metadata = &object["metadata"];
            object["kind"] == kind && metadata["name"] == name && metadata["namespace"].as_str().unwrap_or("default") == namespace
        })
    };
    match check {
        Check::DeploymentReady { namespace, name } => has("Deployment", namespace, name),
        Check::DaemonSetReady { namespace, name } => has("DaemonSet", namespace, name),
        Check::StatefulSetReady { namespace, name } => has("StatefulSet", namespace, name),
        Check::ApiServiceAvailable { .. } => true,
        // `/api/v1/namespaces/NAMESPACE/services/[SCHEME:]NAME[:PORT]/proxy/…`: the API server asks a Service.
        Check::Answers { path, .. } => match path.split('/').collect::<Vec<_>>()[..] {
            ["", "api", "v1", "namespaces", namespace, "services", service, "proxy", ..] => {
                let name = match service.split(':').collect::<Vec<_>>()[..] {
                    [name] | [name, _] | [_, name, _] => name,
                    _ => service,
                };
                has("Service", namespace, name)
            }
            _ => true,
        },
    }
}

/// A check as something that is asked of the API. How many nodes a Deployment is to be on follows from its object.
fn gate(check: &Check, objects: &[Value]) -> ClusterGate {
    match check {
        Check::DeploymentReady { namespace, name } => {
            let (namespace, name) = (namespace.clone(), name.clone());
            let is_it = |object: &&Value| {
                object["kind"] == "Deployment"
                    && object["metadata"]["name"] == name.as_str()
                    && object["metadata"]["namespace"] == namespace.as_str()
            };
            let nodes = objects.iter().find(is_it).map_or(1, spread);
            ClusterGate::DeploymentReady { namespace, name, nodes }
        }
        Check::DaemonSetReady { namespace, name } => ClusterGate::DaemonSetReady { namespace: namespace.clone(), name: name.clone() },
        Check::StatefulSetReady { namespace, name } => ClusterGate::StatefulSetReady { namespace: namespace.clone(), name: name.clone() },
        Check::ApiServiceAvailable { name } => ClusterGate::ApiServiceAvailable { name: name.clone() },
        Check::Answers { path, items } => ClusterGate::Answers { path: path.clone(), items: *items },
    }
}

/// Nodes that a Deployment's pods must be on: as many as there are pods where they keep apart from each other.
fn spread(deployment: &Value) -> u32 {
    let apart = &deployment["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    if apart.is_array() { u32::try_from(replicas).unwrap_or(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_addon::Library;
    use barque_model::Cluster;

    use super::*;

    fn cluster() -> Cluster {
        let text = format!("{}  addons:\n    - name: metrics-server\n", include_str!("../../../../examples/ha.yaml"));
        let versions = [barque_model::Version::new(1, 37, 2)];
        barque_spec::parse(&text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster
    }

    #[test]
    fn checks_ask_what_the_objects_say() {
        let (cluster, library) = (cluster(), Library::embedded());
        let chosen = cluster.addons.iter().find(|addon| addon.name.as_str() == "metrics-server").unwrap();
        let addon = library.find(chosen).unwrap();
        let objects = addon.render(&cluster, &chosen.settings).unwrap().objects;
        let gates: Vec<ClusterGate> = addon.checks.iter().map(|check| gate(check, &objects)).collect();
        assert_eq!(
            gates,
            [
                ClusterGate::DeploymentReady { namespace: "kube-system".into(), name: "metrics-server".into(), nodes: 2 },
                ClusterGate::ApiServiceAvailable { name: "v1beta1.metrics.k8s.io".into() },
                ClusterGate::Answers { path: "/apis/metrics.k8s.io/v1beta1/nodes".into(), items: 1 },
            ]
        );
    }

    #[test]
    fn what_is_not_rendered_is_not_asked_for() {
        let (cluster, library) = (cluster(), Library::embedded());
        let left_out = |name: &str, settings: &Value| -> Vec<String> {
            let addon = library.get(name).unwrap();
            let objects = addon.render(&cluster, &addon.settings.resolve(settings).0).unwrap().objects;
            let names = addon.checks.iter().filter(|check| !is_of(check, &objects)).map(|check| match check {
                Check::DeploymentReady { name, .. } => name.clone(),
                Check::Answers { path, .. } => path.clone(),
                other => format!("{other:?}"),
            });
            names.collect()
        };
        let whole = serde_json::json!({"storage": {"claim": {"name": "a"}}, "tlsSecret": "a", "usersSecret": "a"});
        for addon in library.barques().iter().filter(|addon| !addon.is_built_in() && addon.name.as_str() != "ingress") {
            let settings = if addon.name.as_str() == "registry" { &whole } else { &Value::Object(serde_json::Map::new()) };
            assert_eq!(left_out(addon.name.as_str(), settings), [""; 0], "{}", addon.name);
        }
        let ping = |service: &str, path: &str| format!("/api/v1/namespaces/ingress/services/{service}-admin:admin/proxy/{path}");
        assert_eq!(left_out("ingress", &serde_json::json!({})), ["ingress-nginx".to_owned(), ping("ingress-nginx", "healthz")]);
        assert_eq!(
            left_out("ingress", &serde_json::json!({"controller": "ingress-nginx"})),
            ["traefik".to_owned(), ping("traefik", "ping")]
        );
    }

    #[test]
    fn the_dns_cache_runs_from_the_image_that_every_node_has() {
        let mut cluster = cluster();
        let library = Library::embedded();
        let addon = library.get("dns-cache").unwrap();
        let (settings, _) = addon.settings.resolve(&serde_json::json!({}));
        for version in barque_catalog::supported() {
            let release = barque_catalog::release(&version).unwrap();
            cluster.kubernetes = version;
            let objects = addon.render(&cluster, &settings).unwrap().objects;
            let set = objects.iter().find(|object| object["kind"] == "DaemonSet").unwrap();
            let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
            assert!(
                barque_render::images(&release).iter().any(|need| need.reference == image),
                "{image}, Kubernetes {}",
                release.kubernetes
            );
        }
    }
}
