//! Writes OCI image layouts as tar archives that `ctr images import` takes. Same input, same bytes.

use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use barque_bundle::Architecture;
use fs_err as fs;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Part of every image's key: raise it when the bytes that are written change.
pub(super) const LAYOUT_VERSION: u32 = 1;

/// An image with one program in one layer.
#[derive(Debug, Clone)]
pub(super) struct Image<'a> {
    /// The full reference, such as `registry.k8s.io/pause:3.10.2`.
    pub(super) reference: String,
    /// The program on this machine.
    pub(super) program: &'a Path,
    /// Where it lies in the image, without the leading slash; it is the entry point.
    pub(super) path: &'static str,
    /// User and group that it runs as, such as `65535:65535`; `None` leaves it to the pod (root).
    pub(super) user: Option<&'static str>,
    /// Architecture.
    pub(super) architecture: Architecture,
}

impl Image<'_> {
    /// Writes the archive.
    pub(super) fn write_to(&self, target: &Path) -> io::Result<()> {
        // The layer stays uncompressed: the bundle compresses the whole archive, and better.
        let mut layer = tempfile::tempfile()?;
        let mut archive = tar::Builder::new(&mut layer);
        let program = fs::File::open(self.program)?;
        let size = program.metadata()?.len();
        append(&mut archive, self.path, 0o755, size, program)?;
        archive.finish()?;
        drop(archive);
        let layer_size = layer.stream_position()?;
        layer.rewind()?;
        let mut hasher = Sha256::new();
        io::copy(&mut layer, &mut hasher)?;
        let layer_digest = Sha256Text(hasher.finalize().into());
        layer.rewind()?;

        let mut config = json!({
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [format!("/{}", self.path)],
            "WorkingDir": "/",
        });
        if let Some(user) = self.user {
            config["User"] = json!(user);
        }
        let config = json!({
            "architecture": self.architecture.to_string(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer_digest.to_string()]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": format!("barque: {}", self.path)}],
        })
        .to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, Sha256Text::of(&config), config.len() as u64),
            "layers": [descriptor(LAYER, layer_digest, layer_size)],
        })
        .to_string();
        let mut root = descriptor(MANIFEST, Sha256Text::of(&manifest), manifest.len() as u64);
        root["platform"] = json!({"architecture": self.architecture.to_string(), "os": "linux"});
        // containerd takes the first annotation as the name; other tools know the second only.
        root["annotations"] = json!({
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": self.reference,
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [root]}).to_string();

        let mut blobs = vec![Sha256Text::of(&config), Sha256Text::of(&manifest), layer_digest];
        blobs.sort();
        let mut archive = tar::Builder::new(io::BufWriter::new(fs::File::create(target)?));
        for folder in ["blobs/", "blobs/sha256/"] {
            append_folder(&mut archive, folder)?;
        }
        for digest in blobs {
            let path = format!("blobs/sha256/{}", hex::encode(digest.0));
            if digest == layer_digest {
                append(&mut archive, &path, 0o644, layer_size, &mut layer)?;
                continue;
            }
            let text = if digest == Sha256Text::of(&config) { &config } else { &manifest };
            append(&mut archive, &path, 0o644, text.len() as u64, text.as_bytes())?;
        }
        append(&mut archive, "index.json", 0o644, index.len() as u64, index.as_bytes())?;
        let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
        append(&mut archive, "oci-layout", 0o644, version.len() as u64, version.as_bytes())?;
        archive.into_inner()?.flush()
    }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sha256Text([u8; 32]);

impl Sha256Text {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Sha256Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", hex::encode(self.0))
    }
}

fn descriptor(media_type: &str, digest: Sha256Text, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": digest.to_string(), "size": size})
}

/// Owner root, time zero: nothing of this machine.
fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

pub(super) fn append(archive: &mut tar::Builder<impl Write>, path: &str, mode: u32, size: u64, content: impl Read) -> io::Result<()> {
    let mut header = header(mode, size);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, path, content)
}

pub(super) fn append_folder(archive: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
    let mut header = header(0o755, 0);
    header.set_entry_type(tar::EntryType::Directory);
    archive.append_data(&mut header, path, io::empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;

    fn pack(folder: &Path, name: &str) -> Vec<u8> {
        let program = folder.join("program");
        fs::write(&program, b"a program").unwrap();
        let reference = "registry.k8s.io/pause:3.10.2".to_owned();
        let image = Image { reference, program: &program, path: "pause", user: Some("65535:65535"), architecture: Architecture::Amd64 };
        image.write_to(&folder.join(name)).unwrap();
        fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn same_program_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let first = pack(folder.path(), "one.tar");
        std::thread::sleep(std::time::Duration::from_millis(1100)); // mtimes have seconds
        assert!(first == pack(folder.path(), "two.tar"));
    }

    #[test]
    fn every_digest_leads_to_its_blob() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = pack(folder.path(), "image.tar");
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (0, 0));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
        }
        let follow = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let blob = &files[&format!("blobs/sha256/{digest}")];
            assert_eq!(hex::encode(Sha256::digest(blob)), digest);
            assert_eq!(descriptor["size"], blob.len());
            blob.clone()
        };
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = json(&files["index.json"]);
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "registry.k8s.io/pause:3.10.2");
        let manifest = json(&follow(&index["manifests"][0]));
        let config = json(&follow(&manifest["config"]));
        let layer = follow(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"], "the layer is not compressed");
        assert_eq!((&config["config"]["Entrypoint"][0], &config["config"]["User"]), (&json!("/pause"), &json!("65535:65535")));
        let mut layer = tar::Archive::new(layer.as_slice());
        let entry = layer.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.path().unwrap().to_str(), entry.header().mode().unwrap()), (Some("pause"), 0o755));
    }
}
