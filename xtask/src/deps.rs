//! Checks the edges between crates against the layers.

use anyhow::{Result, bail};

use crate::layers::{EXCEPTIONS, FORBIDDEN, IMPURE, OPTIONAL, OWNED, PLACES, PURE, Place};
use crate::metadata::{self, Dependency, DependencyKind, Metadata};

/// Reads the manifests of the workspace and prints what is wrong with them.
pub(crate) fn run() -> Result<()> {
    let metadata = metadata::read()?;
    let faults = faults(&metadata);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} forbidden dependencies; the table is in xtask/src/layers.rs, its reasons in ARCHITECTURE.md", faults.len());
    }
    println!("{} crates keep to their layers", metadata.packages.len());
    Ok(())
}

fn faults(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let Some(place) = place(&package.name) else {
            faults.push(format!("{} has no layer", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let fault = if is_ours(metadata, &dependency.name) {
                inner_fault(&package.name, place, dependency)
            } else {
                outer_fault(&package.name, place, dependency)
            };
            faults.extend(fault.map(|reason| format!("{} -> {}: {reason}", package.name, dependency.name)));
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

fn place(name: &str) -> Option<Place> {
    PLACES.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
}

fn is_ours(metadata: &Metadata, name: &str) -> bool {
    place(name).is_some() || metadata.packages.iter().any(|package| package.name == name)
}

/// What is wrong with an edge between two crates of the workspace.
fn inner_fault(from: &str, place_from: Place, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    // Reported once, at the crate itself.
    let place_to = place(to)?;
    if let Some((_, _, reason)) = FORBIDDEN.iter().find(|(left, right, _)| *left == from && *right == to) {
        return Some((*reason).to_owned());
    }
    let in_tests = dependency.kind == Some(DependencyKind::Dev);
    match (place_from, place_to) {
        // Tests may use what is made for tests.
        (_, Place::Development(_)) if in_tests => None,
        (Place::Layer(_), Place::Development(_)) if OPTIONAL.contains(&(from, to)) => {
            (!dependency.optional).then(|| "must be behind a feature".to_owned())
        }
        (Place::Layer(_), Place::Development(_)) => Some("is for development only".to_owned()),
        (Place::Development(limit), Place::Layer(layer)) => {
            (layer > limit).then(|| format!("is of layer {layer}, only layers up to {limit} are allowed here"))
        }
        (Place::Development(_), Place::Development(_)) => None,
        (Place::Layer(left), Place::Layer(right)) => {
            let allowed = right < left || EXCEPTIONS.iter().any(|(one, other, _)| *one == from && *other == to);
            (!allowed).then(|| format!("layer {left} may use only lower layers, not layer {right}"))
        }
    }
}

/// What is wrong with an edge to a crate that is not ours.
fn outer_fault(from: &str, place_from: Place, dependency: &Dependency) -> Option<String> {
    if dependency.kind == Some(DependencyKind::Dev) || matches!(place_from, Place::Development(_)) {
        return None;
    }
    let to = dependency.name.as_str();
    if PURE.contains(&from) && IMPURE.contains(&to) {
        return Some("a pure crate does no IO and is not async".to_owned());
    }
    let (_, owner) = OWNED.iter().find(|(crate_name, _)| *crate_name == to)?;
    (*owner != from).then(|| format!("only {owner} touches it"))
}

#[cfg(test)]
mod tests {
    use crate::metadata::Package;

    use super::*;

    fn edge(from: &str, to: &str, kind: Option<DependencyKind>, optional: bool) -> Vec<String> {
        let dependency = Dependency { name: to.to_owned(), kind, optional };
        faults(&Metadata { packages: vec![Package { name: from.to_owned(), dependencies: vec![dependency], targets: Vec::new() }] })
    }

    fn normal(from: &str, to: &str) -> Vec<String> {
        edge(from, to, None, false)
    }

    #[test]
    fn downwards_is_allowed() {
        for (from, to) in [
            ("barque-spec", "barque-model"),
            ("barque-transport", "barque-event"),
            ("barque", "barque-engine"),
            ("barque-agent", "barque-host"),
        ] {
            assert_eq!(normal(from, to), [] as [&str; 0], "{from} -> {to}");
        }
    }

    #[test]
    fn upwards_and_sideways_are_not() {
        assert_eq!(
            normal("barque-model", "barque-event"),
            ["barque-model -> barque-event: layer 0 may use only lower layers, not layer 1"]
        );
        assert_eq!(normal("barque-plan", "barque-kube"), ["barque-plan -> barque-kube: layer 2 may use only lower layers, not layer 2"]);
        assert_eq!(edge("barque-plan", "barque-engine", Some(DependencyKind::Build), false).len(), 1);
        // Tests of a crate obey its layer as well: else they would test what it cannot know.
        assert_eq!(edge("barque-plan", "barque-engine", Some(DependencyKind::Dev), false).len(), 1);
    }

    #[test]
    fn exceptions_hold_one_way() {
        assert!(normal("barque-render", "barque-catalog").is_empty());
        assert_eq!(normal("barque-catalog", "barque-render").len(), 1);
    }

    #[test]
    fn forbidden_edges_name_their_reason() {
        assert_eq!(
            normal("barque-host", "barque-transport"),
            ["barque-host -> barque-transport: a step must behave the same over SSH, locally and in the lab"]
        );
        assert_eq!(normal("barque-agent", "barque-transport").len(), 1);
    }

    #[test]
    fn the_lab_is_optional_and_only_for_the_binary() {
        assert!(edge("barque", "barque-lab", None, true).is_empty());
        assert_eq!(normal("barque", "barque-lab"), ["barque -> barque-lab: must be behind a feature"]);
        assert_eq!(edge("barque-engine", "barque-lab", None, true), ["barque-engine -> barque-lab: is for development only"]);
        assert!(edge("barque-engine", "barque-lab", Some(DependencyKind::Dev), false).is_empty());
        assert!(normal("barque-lab", "barque-bundle").is_empty());
        assert_eq!(normal("barque-lab", "barque-engine").len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert_eq!(normal("barque-new", "serde"), ["barque-new has no layer"]);
    }

    #[test]
    fn outside_crates() {
        assert_eq!(normal("barque-plan", "tokio"), ["barque-plan -> tokio: a pure crate does no IO and is not async"]);
        assert!(edge("barque-plan", "tempfile", Some(DependencyKind::Dev), false).is_empty());
        assert_eq!(normal("barque-engine", "russh"), ["barque-engine -> russh: only barque-transport touches it"]);
        assert!(normal("barque-transport", "russh").is_empty());
    }

    #[test]
    fn tables_name_known_crates_only() {
        let pairs = FORBIDDEN.iter().chain(EXCEPTIONS).flat_map(|(left, right, _)| [*left, *right]);
        let optional = OPTIONAL.iter().flat_map(|(left, right)| [*left, *right]);
        for name in pairs.chain(optional).chain(PURE.iter().copied()).chain(OWNED.iter().map(|(_, owner)| *owner)) {
            assert!(place(name).is_some(), "{name}");
        }
    }
}
