//! Looks up the bundle's artifacts for one architecture and distribution.

use std::collections::BTreeMap;
use std::sync::Arc;

use barque_bundle::{ANY_DISTRIBUTION, Architecture, ArtifactKind, Bundle, BundleError};
use barque_model::Digest;
use barque_plan::{Action, Archive, ArtifactIndex, Blob, HostFacts, OWN_PROGRAM, OWN_VERSION, PackageForm, Plan};

use crate::{Context, EngineError};

/// barque's own executable: the agent of every host, and the program of units of barque's own.
pub(crate) fn own_program(context: &Context) -> Result<((String, String), Blob), EngineError> {
    let path = &context.options.executable;
    let bytes = fs_err::read(path).map_err(|source| EngineError::Executable { path: path.clone(), source })?;
    Ok(((OWN_PROGRAM.to_owned(), OWN_VERSION.to_owned()), Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 }))
}

/// The index for a host, and the words that name its platform.
pub(crate) fn index_for(bundle: &Bundle, facts: &HostFacts) -> (ArtifactIndex, String) {
    let distribution = format!("{}-{}", facts.os.id, facts.os.version_id);
    let architecture = if facts.architecture == "arm64" { Architecture::Arm64 } else { Architecture::Amd64 };
    let mut index = ArtifactIndex::default();
    let mut portable = BTreeMap::new();
    for artifact in bundle.artifacts().iter().filter(|artifact| artifact.architecture == architecture) {
        let blob = Blob { digest: artifact.digest, size: artifact.size };
        match &artifact.kind {
            ArtifactKind::Binary => {
                index.binaries.insert((artifact.name.clone(), artifact.version.clone()), blob);
            }
            ArtifactKind::Image => {
                // A tag with `v` is the convention of most images; pause has none.
                index.images.insert(format!("{}:{}", artifact.name, artifact.version), blob);
                index.images.insert(format!("{}:v{}", artifact.name, artifact.version), blob);
            }
            ArtifactKind::Package { distribution: made_for, for_packages } => {
                let packages = if *made_for == distribution {
                    &mut index.packages
                } else if made_for == ANY_DISTRIBUTION {
                    &mut portable
                } else {
                    continue;
                };
                for package in for_packages {
                    let archive = Archive { name: artifact.name.clone(), version: artifact.version.clone(), blob };
                    packages.entry(package.clone()).or_default().push(archive);
                }
            }
        }
    }
    if index.packages.is_empty() {
        index.packages = portable;
        index.package_form = PackageForm::Portable;
    }
    (index, format!("{architecture}, {distribution}"))
}

/// Re-hashes what is about to be sent, so that a damaged bundle is found before any host is changed.
pub(crate) async fn verify_transfers(plan: &Plan, bundle: &Arc<Bundle>) -> Result<(), EngineError> {
    let mut digests: Vec<Digest> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Transfer { blob, .. } => Some(blob.digest),
            _ => None,
        })
        .collect();
    digests.sort();
    digests.dedup();
    let artifacts = bundle.artifacts().iter().filter(|artifact| digests.binary_search(&artifact.digest).is_ok()).cloned();
    let checks = artifacts.map(|artifact| {
        let bundle = Arc::clone(bundle);
        tokio::task::spawn_blocking(move || bundle.verify_compressed(&artifact))
    });
    for check in futures::future::join_all(checks).await {
        check.map_err(|error| BundleError::Io { action: "check the bundle".into(), source: std::io::Error::other(error) })??;
    }
    Ok(())
}
