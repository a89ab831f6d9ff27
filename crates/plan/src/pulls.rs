//! Test pulls: before a node's kubelet starts, containerd fetches an image by way of the mirrors.

use barque_event::Stage;
use barque_model::{Component, Host, Registry, Upstream};
use barque_render::{CERTS_D, registry_paths};

use crate::build::PlanInputs;
use crate::graph::{Graph, Key};
use crate::{Action, Probe, ResourceId};

/// A small image through a slow mirror, and a mirror before it that does not answer: a connection is given up after 30 s (containerd's dialer).
const TIMEOUT_SECONDS: u32 = 120;

/// Adds the pulls of every node on which something changes that a pull needs, or kubelet does.
pub(crate) fn add(graph: &mut Graph, inputs: &PlanInputs<'_>) {
    for host in inputs.cluster.hosts.iter().filter(|host| host.is_node()) {
        for (registry, image) in tested(inputs) {
            let probe = Probe::ImagePulls { image: image.to_owned(), settings: CERTS_D.to_owned(), asked: asked(registry) };
            let file = |path: String| Key::resource(&host.name, &ResourceId(format!("file {path}")));
            let mut needed: Vec<Key> = registry_paths(inputs.cluster, host).into_iter().map(file).collect();
            needed.push(Key::resource(&host.name, &ResourceId(format!("unit {}", Component::Containerd.unit()))));
            needed.push(Key::resource(&host.name, &ResourceId("binary /usr/local/bin/ctr".into())));
            // A mirror that is down for now must not stop changes of other things.
            let kubelet = Key::resource(&host.name, &ResourceId(format!("unit {}", Component::Kubelet.unit())));
            if !needed.iter().chain([&kubelet]).any(|needed| graph.has(needed)) {
                graph.pass_through(key(host, registry), needed);
                continue;
            }
            let action = Action::Gate { probe, timeout_seconds: TIMEOUT_SECONDS };
            graph.step(key(host, registry), Stage::Nodes, Some(host.name.clone()), format!("{image} can be pulled"), needed, action);
        }
    }
}

/// What a node's kubelet waits for on its first start.
pub(crate) fn before_kubelet(inputs: &PlanInputs<'_>, host: &Host) -> Vec<Key> {
    tested(inputs).map(|(registry, _)| key(host, registry)).collect()
}

fn tested<'a>(inputs: &PlanInputs<'a>) -> impl Iterator<Item = (&'a Registry, &'a str)> {
    inputs.cluster.registries.iter().filter_map(|registry| Some((registry, registry.test_image.as_deref()?)))
}

fn key(host: &Host, registry: &Registry) -> Key {
    Key::host_gate(&host.name, &format!("pull {}", registry.host))
}

/// Who is asked, for people.
fn asked(registry: &Registry) -> Vec<String> {
    let servers = registry.endpoints().map(|endpoint| endpoint.url.clone());
    let last = matches!(registry.upstream, Upstream::AsNamed).then(|| "the registry that the image names".to_owned());
    servers.chain(last).collect()
}
