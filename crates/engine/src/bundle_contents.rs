//! Which of a bundle's artifacts a cluster needs.

use barque_bundle::{Architecture, Artifact, ArtifactKind, Bundle, Selection};
use barque_model::{Cluster, Release};
use barque_plan::OWN_PROGRAM;
use barque_render::ImageNeed;

use crate::bundle_check::lacks;
use crate::{EngineError, Lack};

/// Which hosts a bundle is for.
#[derive(Debug, Clone, Copy)]
pub struct Platforms<'a> {
    /// Their processors.
    pub architectures: &'a [Architecture],
    /// Their distributions as bundles name them; all when it is empty.
    pub distributions: &'a [&'a str],
}

impl Platforms<'_> {
    fn has_distribution_of(&self, artifact: &Artifact) -> bool {
        self.distributions.is_empty() || artifact.kind.distribution().is_none_or(|name| self.distributions.contains(&name))
    }
}

/// What `bundle` has of what `cluster` and its add-ons need on hosts of `platforms`, with barque itself of the version `own` where it is there.
///
/// # Errors
/// [`EngineError::Unfit`] names everything that it does not have.
pub fn bundle_contents(
    bundle: &Bundle,
    cluster: &Cluster,
    release: &Release,
    addon_images: &[ImageNeed],
    platforms: &Platforms<'_>,
    own: &str,
) -> Result<Selection, EngineError> {
    let mut missing = Vec::new();
    for architecture in platforms.architectures {
        let is_here = |artifact: &&Artifact| artifact.architecture == *architecture && platforms.has_distribution_of(artifact);
        let here: Vec<Artifact> = bundle.artifacts().iter().filter(is_here).cloned().collect();
        let found = lacks(&here, cluster, release, addon_images);
        let of = |lack: &Lack| {
            if lack.version.is_empty() { format!("for {architecture}") } else { format!("{} for {architecture}", lack.version) }
        };
        missing.extend(found.into_iter().map(|lack| Lack { version: of(&lack), ..lack }));
    }
    if !missing.is_empty() {
        return Err(EngineError::Unfit { bundle: bundle.root().to_owned(), lacks: missing });
    }
    // An empty bundle lacks all that is needed.
    let needs = lacks(&[], cluster, release, addon_images);
    let is_for = |artifact: &Artifact| platforms.architectures.contains(&artifact.architecture) && platforms.has_distribution_of(artifact);
    Ok(bundle.selection(|artifact| is_for(artifact) && is_needed(artifact, &needs, own))?)
}

fn is_needed(artifact: &Artifact, needs: &[Lack], own: &str) -> bool {
    let named = |kind: &str| needs.iter().any(|need| need.kind == kind && need.name == artifact.name && need.version == artifact.version);
    match &artifact.kind {
        ArtifactKind::Binary => named("program") || (artifact.name == OWN_PROGRAM && artifact.version == own),
        ArtifactKind::Image => named("image"),
        ArtifactKind::Package { for_packages, .. } => needs.iter().any(|need| need.kind == "package" && for_packages.contains(&need.name)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_bundle::Description;

    use super::*;
    use crate::testing::cluster;

    fn release() -> Release {
        barque_catalog::release(&cluster().kubernetes).unwrap()
    }

    fn add(bundle: &mut Bundle, kind: ArtifactKind, name: &str, version: &str) {
        let (source, licence) = ("a test".to_owned(), "MIT".to_owned());
        let description =
            Description { kind, name: name.into(), version: version.into(), architecture: Architecture::Amd64, source, licence };
        bundle.add(format!("{name} {version}").as_bytes(), description).unwrap();
    }

    const AMD64: Platforms<'_> = Platforms { architectures: &[Architecture::Amd64], distributions: &[] };

    /// All that the cluster needs, and things that it does not.
    fn full(folder: &std::path::Path) -> Bundle {
        let mut bundle = Bundle::create_or_open(folder.join("bundle")).unwrap();
        for lack in lacks(&[], &cluster(), &release(), &[]) {
            let kind = match lack.kind {
                "program" => ArtifactKind::Binary,
                "image" => ArtifactKind::Image,
                _ => ArtifactKind::Package { distribution: "debian-13".into(), for_packages: vec![lack.name.clone()] },
            };
            add(&mut bundle, kind, &lack.name, &lack.version);
        }
        let library = ArtifactKind::Package { distribution: "debian-13".into(), for_packages: vec!["haproxy".into(), "other".into()] };
        add(&mut bundle, library, "liblua5.4-0", "5.4.7");
        add(&mut bundle, ArtifactKind::Package { distribution: "debian-13".into(), for_packages: vec!["other".into()] }, "libother", "1");
        add(&mut bundle, ArtifactKind::Binary, "kubelet", "1.0.0");
        add(&mut bundle, ArtifactKind::Binary, "toolbox", "1");
        add(&mut bundle, ArtifactKind::Binary, OWN_PROGRAM, "0.1.0");
        add(&mut bundle, ArtifactKind::Binary, OWN_PROGRAM, "0.0.9");
        bundle
    }

    #[test]
    fn exactly_what_is_needed_and_barque_itself() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = full(folder.path());
        let selection = bundle_contents(&bundle, &cluster(), &release(), &[], &AMD64, "0.1.0").unwrap();
        let has =
            |name: &str, version: &str| selection.artifacts().iter().any(|artifact| artifact.name == name && artifact.version == version);
        assert!(has("liblua5.4-0", "5.4.7") && has(OWN_PROGRAM, "0.1.0") && has("kubelet", &release().kubernetes.to_string()));
        assert!(!has("libother", "1") && !has("kubelet", "1.0.0") && !has("toolbox", "1") && !has(OWN_PROGRAM, "0.0.9"));
        // It is enough for `up`, and the same each time.
        let made = selection.copy(&folder.path().join("made"), None, &|_| {}).unwrap();
        assert!(lacks(made.artifacts(), &cluster(), &release(), &[]).is_empty());
        let again = bundle_contents(&bundle, &cluster(), &release(), &[], &AMD64, "0.1.0").unwrap();
        let files = ["one.barque", "two.barque"].map(|name| folder.path().join(name));
        let first = selection.pack(&files[0], None, &|_| {}).unwrap();
        assert_eq!(first.digest, again.pack(&files[1], None, &|_| {}).unwrap().digest);
    }

    #[test]
    fn what_cannot_be_had_is_named_with_its_processor() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = full(folder.path());
        let both = [Architecture::Amd64, Architecture::Arm64];
        let error =
            bundle_contents(&bundle, &cluster(), &release(), &[], &Platforms { architectures: &both, ..AMD64 }, "0.1.0").unwrap_err();
        let EngineError::Unfit { lacks, .. } = &error else { panic!("{error}") };
        assert!(!lacks.is_empty() && lacks.iter().all(|lack| lack.version.ends_with("for arm64")), "{lacks:?}");
    }
    #[test]
    fn one_distribution_may_be_enough() {
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = full(folder.path());
        let of = |bundle: &Bundle, distributions: &[&str]| {
            bundle_contents(bundle, &cluster(), &release(), &[], &Platforms { distributions, ..AMD64 }, "0.1.0")
        };
        assert!(matches!(of(&bundle, &["any"]), Err(EngineError::Unfit { .. })), "there is nothing for other distributions yet");
        for package in ["haproxy", "keepalived", "iptables", "nftables"] {
            let kind = ArtifactKind::Package { distribution: "any".into(), for_packages: vec![package.into()] };
            add(&mut bundle, kind, package, "1+0123456789ab");
        }
        let names = |distributions: &[&str]| -> Vec<String> {
            let selection = of(&bundle, distributions).unwrap();
            let mut found: Vec<String> =
                selection.artifacts().iter().filter_map(|artifact| artifact.kind.distribution()).map(str::to_owned).collect();
            found.dedup();
            found
        };
        assert_eq!((names(&["any"]), names(&["debian-13"])), (vec!["any".to_owned()], vec!["debian-13".to_owned()]));
        assert_eq!(names(&[]).len(), 2);
    }
}
