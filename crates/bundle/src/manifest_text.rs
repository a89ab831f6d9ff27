//! The manifest as text, with a checksum over itself: no byte of it changes unseen.

use std::path::Path;

use barque_model::Digest;
use serde::Deserialize;

use crate::manifest::Manifest;
use crate::{Artifact, BundleError, MANIFEST_FORMAT};

/// The last format without a checksum.
const WITHOUT_CHECKSUM: u32 = 1;

/// What every format has, or would have.
#[derive(Deserialize)]
struct Head {
    format: u32,
    checksum: Option<Digest>,
}

/// Writes the manifest of `artifacts`, which are sorted. Same artifacts, same bytes.
pub(crate) fn encode(artifacts: &[Artifact]) -> Result<Vec<u8>, serde_json::Error> {
    let blank = Digest::from_bytes([0; 32]);
    let manifest = Manifest { format: MANIFEST_FORMAT, checksum: Some(blank), artifacts: artifacts.to_vec() };
    let mut text = serde_json::to_string_pretty(&manifest)?;
    text.push('\n');
    let checksum = Digest::of(text.as_bytes());
    // The checksum stands before every artifact, so the first zeros are its own.
    Ok(text.replacen(&blank.to_string(), &checksum.to_string(), 1).into_bytes())
}

/// Reads the manifest that lies at `path`; its artifacts, sorted.
pub(crate) fn decode(text: &[u8], path: &Path) -> Result<Vec<Artifact>, BundleError> {
    let malformed =
        |source: serde_json::Error| BundleError::Malformed { path: path.to_owned(), line: source.line(), column: source.column(), source };
    // The format first: a manifest of another format need not have our fields.
    let Head { format, checksum } = serde_json::from_slice(text).map_err(malformed)?;
    match (format, checksum) {
        (WITHOUT_CHECKSUM, None) => {}
        (MANIFEST_FORMAT, Some(expected)) => {
            let actual = checksum_of(text, &expected);
            if actual != expected {
                return Err(BundleError::ManifestChanged { path: path.to_owned(), expected, actual });
            }
        }
        (WITHOUT_CHECKSUM | MANIFEST_FORMAT, found) => {
            let checksum = if found.is_some() { "a checksum" } else { "no checksum" };
            return Err(BundleError::MisplacedChecksum { path: path.to_owned(), format, checksum });
        }
        (found, _) => return Err(BundleError::UnknownFormat { path: path.to_owned(), found }),
    }
    let mut manifest: Manifest = serde_json::from_slice(text).map_err(malformed)?;
    manifest.artifacts.sort();
    Ok(manifest.artifacts)
}

/// The checksum that `text` should carry, where it carries `claimed`.
fn checksum_of(text: &[u8], claimed: &Digest) -> Digest {
    let claimed = claimed.to_string();
    let mut blanked = text.to_vec();
    // Digits in upper case name the same digest and are still another text; then nothing is blanked and the two differ.
    if let Some(at) = text.windows(claimed.len()).position(|window| window == claimed.as_bytes()) {
        blanked[at..at + claimed.len()].fill(b'0');
    }
    Digest::of(&blanked)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Architecture, ArtifactKind, UNKNOWN_LICENCE};

    fn artifact(name: &str) -> Artifact {
        Artifact {
            kind: ArtifactKind::Binary,
            name: name.into(),
            version: "1.37.2".into(),
            architecture: Architecture::Amd64,
            digest: Digest::of(name.as_bytes()),
            size: 1,
            compressed_digest: Digest::of(b"compressed"),
            compressed_size: 2,
            source: "https://dl.k8s.io/VERSION/bin/linux/amd64/NAME".into(),
            licence: "Apache-2.0".into(),
        }
    }

    #[test]
    fn no_byte_changes_unseen() {
        let text = encode(&[artifact("kubectl"), artifact("kubelet")]).unwrap();
        let path = Path::new("bundle/manifest.json");
        assert_eq!(decode(&text, path).unwrap(), [artifact("kubectl"), artifact("kubelet")]);
        for at in 0..text.len() {
            for flip in [1, 0x20] {
                let mut changed = text.clone();
                changed[at] ^= flip;
                let error = decode(&changed, path);
                assert!(error.is_err(), "byte {at} of {}", String::from_utf8_lossy(&changed));
            }
            assert!(decode(&text[..at], path).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn format_one_is_read() {
        let text = r#"{"format": 1, "artifacts": [{"kind": {"type": "binary"}, "name": "runc", "version": "1.5.2", "architecture": "amd64",
            "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "size": 3,
            "compressed_digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "compressed_size": 3, "source": "a test"}]}"#;
        let artifacts = decode(text.as_bytes(), Path::new("manifest.json")).unwrap();
        assert_eq!((artifacts[0].name.as_str(), artifacts[0].licence.as_str()), ("runc", UNKNOWN_LICENCE));
        let error = decode(text.replace("1,", "2,").as_bytes(), Path::new("manifest.json")).unwrap_err();
        assert_eq!(error.to_string(), "manifest `manifest.json` was changed: one of format 2 cannot have no checksum");
    }
}
