#![allow(clippy::unwrap_used, reason = "tests")]

use crate::testing::{add, bundle};
use crate::{Artifact, ArtifactKind, Comparison};

#[test]
fn versions_of_one_thing_are_a_change() {
    let (_first, mut before) =
        bundle(&[("etcd", "3.6.13", b"old"), ("kubelet", "1.36.3", b"k36"), ("kubelet", "1.37.2", b"k37"), ("gone", "1", b"g")]);
    add(&mut before, ArtifactKind::Image, "etcd", "3.6.13", b"image");
    let (_second, mut after) =
        bundle(&[("etcd", "3.6.14", b"new"), ("kubelet", "1.37.2", b"k37"), ("kubelet", "1.38.0", b"k38"), ("fresh", "1", b"f")]);
    add(&mut after, ArtifactKind::Image, "etcd", "3.6.13", b"image, built again");
    let comparison = Comparison::of(&before, &after);
    let names = |artifacts: &[Artifact]| artifacts.iter().map(|artifact| artifact.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&comparison.added), names(&comparison.removed)), (vec!["fresh".to_owned()], vec!["gone".to_owned()]));
    let changes: Vec<_> = comparison
        .changed
        .iter()
        .map(|change| format!("{} {} -> {}", change.before.kind.as_str(), change.before.version, change.after.version))
        .collect();
    assert_eq!(changes, ["binary 3.6.13 -> 3.6.14", "binary 1.36.3 -> 1.38.0", "image 3.6.13 -> 3.6.13"]);
    assert_eq!(comparison.size_before, crate::size(before.artifacts()));
    assert!(!comparison.is_same() && Comparison::of(&before, &before).is_same());
}
