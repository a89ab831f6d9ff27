//! The images of a cluster's add-ons: from the bundle, on the nodes that may run their pods, or pulled by nodes.

use barque_addon::{Addon, ImageUse, Library, Rendered};
use barque_model::{Cluster, ClusterAddon};
use barque_render::ImageNeed;

use crate::{Context, EngineError};

/// Images that the add-ons of the context's cluster file need from the bundle.
///
/// # Errors
/// [`EngineError::Addon`] when an add-on cannot be rendered.
pub fn addon_images(context: &Context) -> Result<Vec<ImageNeed>, EngineError> {
    images(&context.addons, &context.cluster)
}

/// Images of the add-ons that are on and that come with the bundle.
pub(crate) fn images(library: &Library, cluster: &Cluster) -> Result<Vec<ImageNeed>, EngineError> {
    Ok(rendered(library, cluster)?.iter().flat_map(|(addon, rendered)| bundled(addon, rendered, cluster)).collect())
}

/// Images of the add-ons that are on and that nodes pull, since no bundle has them: reference, and what needs it.
pub(crate) fn pulled_images(library: &Library, cluster: &Cluster) -> Result<Vec<(String, String)>, EngineError> {
    let of_addon = |(addon, rendered): &(&Addon, Rendered)| -> Vec<(String, String)> {
        let uses = rendered.uses(&addon.images);
        let pulled = addon.images.iter().filter(|image| image.artifact.is_none() && uses[&image.reference] != ImageUse::Nowhere);
        pulled.map(|image| (image.reference.clone(), needed_by(addon))).collect()
    };
    Ok(rendered(library, cluster)?.iter().flat_map(of_addon).collect())
}

/// The images of one add-on that come with the bundle and that its objects name, with the nodes whose taints let their pods in.
pub(super) fn bundled(addon: &Addon, rendered: &Rendered, cluster: &Cluster) -> Vec<ImageNeed> {
    let uses = rendered.uses(&addon.images);
    let need = |image: &barque_addon::AddonImage| {
        let usage = &uses[&image.reference];
        if *usage == ImageUse::Nowhere {
            return None;
        }
        let nodes = cluster.hosts.iter().filter(|host| host.is_node() && usage.includes(host)).map(|host| host.name.clone()).collect();
        Some(ImageNeed {
            reference: image.reference.clone(),
            artifact: image.artifact.clone()?,
            version: image.version.clone(),
            needed_by: needed_by(addon),
            nodes: Some(nodes),
        })
    };
    addon.images.iter().filter_map(need).collect()
}

fn needed_by(addon: &Addon) -> String {
    format!("add-on {}", addon.name)
}

/// The add-ons that are on, each with what it comes to.
pub(crate) fn rendered<'a>(library: &'a Library, cluster: &Cluster) -> Result<Vec<(&'a Addon, Rendered)>, EngineError> {
    let render = |chosen: &ClusterAddon| {
        let addon = library.find(chosen)?;
        let failed = |source| EngineError::Addon { name: addon.name.clone(), source };
        Some(addon.render(cluster, &chosen.settings).map(|rendered| (addon, rendered)).map_err(failed))
    };
    cluster.addons.iter().filter_map(render).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn needs(addons: &str) -> Vec<String> {
        let text = format!("{}  addons:\n{addons}", include_str!("../../../../examples/ha.yaml"));
        let versions = [barque_model::Version::new(1, 37, 2)];
        let cluster = barque_spec::parse(&text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster;
        let words = |need: ImageNeed| {
            let nodes: Vec<String> = need.nodes.unwrap().iter().map(ToString::to_string).collect();
            format!("{} {} {}: {}", need.reference, need.version, need.needed_by, nodes.join(" "))
        };
        images(&Library::embedded(), &cluster).unwrap().into_iter().map(words).collect()
    }

    #[test]
    fn they_come_from_the_bundle_for_nodes_that_may_run_them() {
        insta::assert_snapshot!(needs("    - name: metrics-server\n    - name: ingress\n    - name: monitoring\n").join("\n"));
    }
}
