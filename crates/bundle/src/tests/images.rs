#![allow(clippy::unwrap_used, reason = "tests")]

use crate::testing::{add, bundle};
use crate::{ArtifactKind, BundleError, ImageIdentity};

fn layout(index: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in [("blobs/sha256/aa", "layer"), ("index.json", index)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn an_image_says_its_digest_and_name() {
    let (_folder, mut bundle) = bundle(&[]);
    let index = r#"{"schemaVersion": 2, "manifests": [{"digest": "sha256:aa", "size": 3, "annotations": {"org.opencontainers.image.ref.name": "r/pause:3"}}]}"#;
    let image = add(&mut bundle, ArtifactKind::Image, "r/pause", "3", &layout(index));
    let identity = ImageIdentity { digest: "sha256:aa".into(), reference: Some("r/pause:3".into()) };
    assert_eq!(bundle.image_identity(&image).unwrap(), identity);
    for (name, content) in [("empty", layout(r#"{"manifests": []}"#)), ("no-json", layout("{")), ("no-tar", Vec::new())] {
        let image = add(&mut bundle, ArtifactKind::Image, name, "3", &content);
        assert!(matches!(bundle.image_identity(&image), Err(BundleError::NotAnImage { .. })), "{name}");
    }
}
