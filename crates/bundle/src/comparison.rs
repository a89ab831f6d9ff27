//! What two bundles differ in.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Architecture, Artifact, Bundle};

/// The difference of two bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// In the second only.
    pub added: Vec<Artifact>,
    /// In the first only.
    pub removed: Vec<Artifact>,
    /// In both, and not the same.
    pub changed: Vec<Change>,
    /// What the first takes on disk, in bytes.
    pub size_before: u64,
    /// What the second takes on disk, in bytes.
    pub size_after: u64,
}

/// An artifact that is another version, or another content of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// In the first.
    pub before: Artifact,
    /// In the second.
    pub after: Artifact,
}

/// What makes two artifacts versions of one thing.
type Key<'a> = (&'static str, Option<&'a str>, &'a str, Architecture);

impl Comparison {
    /// Compares two bundles by their manifests.
    pub fn of(before: &Bundle, after: &Bundle) -> Self {
        let (size_before, size_after) = (size(before.artifacts()), size(after.artifacts()));
        let mut comparison = Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new(), size_before, size_after };
        let mut pairs: BTreeMap<Key, (Vec<&Artifact>, Vec<&Artifact>)> = BTreeMap::new();
        for artifact in before.artifacts() {
            pairs.entry(key(artifact)).or_default().0.push(artifact);
        }
        for artifact in after.artifacts() {
            pairs.entry(key(artifact)).or_default().1.push(artifact);
        }
        for (first, second) in pairs.into_values() {
            comparison.compare(first, second);
        }
        comparison
    }

    /// Whether both hold the same.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn compare(&mut self, mut before: Vec<&Artifact>, mut after: Vec<&Artifact>) {
        // The same version first: what is left of both sides are different versions.
        let mut change = |before: &Artifact, after: &Artifact| {
            if before != after {
                self.changed.push(Change { before: before.clone(), after: after.clone() });
            }
        };
        before.retain(|old| match after.iter().position(|new| new.version == old.version) {
            Some(at) => {
                change(old, after.remove(at));
                false
            }
            None => true,
        });
        let common = before.len().min(after.len());
        for (old, new) in before.drain(..common).zip(after.drain(..common)) {
            change(old, new);
        }
        self.removed.extend(before.into_iter().cloned());
        self.added.extend(after.into_iter().cloned());
    }
}

fn key(artifact: &Artifact) -> Key<'_> {
    (artifact.kind.as_str(), artifact.kind.distribution(), &artifact.name, artifact.architecture)
}

/// What the blobs of `artifacts` take on disk, in bytes; a blob that several share counts once.
pub fn size(artifacts: &[Artifact]) -> u64 {
    let blobs: BTreeMap<_, _> = artifacts.iter().map(|artifact| (artifact.digest, artifact.compressed_size)).collect();
    blobs.values().sum()
}
