//! Where the parts of an image lie in its content: what a registry hands out one by one.

use std::collections::BTreeMap;
use std::io::{self, Read};

use barque_model::Digest;

use crate::archive::Span;
use crate::image::{Descriptor, INDEX_LIMIT, Index};
use crate::{Artifact, Bundle, BundleError};

/// More is no manifest; registries accept no larger one either.
const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;
const BLOBS: &str = "blobs/sha256/";
const INDEX: &str = "index.json";

/// The parts of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayout {
    /// Its manifests and indexes, the one that its tag names first.
    pub manifests: Vec<ImageManifest>,
    /// Every blob, those of the manifests among them: where it lies in the image's uncompressed content.
    pub blobs: BTreeMap<Digest, Span>,
}

/// A manifest, or an index of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// What kind of manifest it is.
    pub media_type: String,
    /// The reference that the image carries; none where an index names this manifest.
    pub reference: Option<String>,
    /// Its text as it lies there.
    pub text: Vec<u8>,
}

impl Bundle {
    /// Reads where the parts of an image lie, for which its whole content is decompressed; `progress` is told the number of compressed bytes
    /// since it was last told.
    ///
    /// Fails with [`BundleError::NotAnImage`].
    pub fn image_layout(&self, image: &Artifact, progress: &dyn Fn(u64)) -> Result<ImageLayout, BundleError> {
        let not_an_image = || BundleError::NotAnImage { path: self.root().to_owned(), name: image.name.clone() };
        let unreadable = |source| BundleError::Undecodable { path: self.blob_path(&image.digest), source };
        let counted = Told { content: self.open_blob(&image.digest)?.into_reader(), progress };
        let mut archive = tar::Archive::new(zstd::Decoder::new(counted).map_err(unreadable)?);
        let (mut blobs, mut index) = (BTreeMap::new(), None);
        for entry in archive.entries().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let span = Span { start: entry.raw_file_position(), size: entry.size() };
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if path == INDEX {
                let mut text = Vec::new();
                entry.take(INDEX_LIMIT).read_to_end(&mut text).map_err(unreadable)?;
                index = serde_json::from_slice::<Index>(&text).ok();
            } else if let Some(digest) = path.strip_prefix(BLOBS).and_then(|name| name.parse().ok())
                && entry.header().entry_type().is_file()
            {
                blobs.insert(digest, span);
            }
        }
        let index = index.ok_or_else(not_an_image)?;
        let manifests = self.image_manifests(image, index.manifests, &blobs)?;
        if manifests.is_empty() {
            return Err(not_an_image());
        }
        Ok(ImageLayout { manifests, blobs })
    }

    /// Opens the uncompressed content of the blob `digest` at its byte `start`; what is before is decompressed and thrown away. What is read is
    /// not verified; see [`Bundle::verify`].
    pub fn open_content_at(&self, digest: &Digest, start: u64) -> Result<impl Read + use<>, BundleError> {
        let unreadable = |source| BundleError::Undecodable { path: self.blob_path(digest), source };
        let mut content = zstd::Decoder::new(self.open_blob(digest)?.into_reader()).map_err(unreadable)?;
        let skipped = io::copy(&mut content.by_ref().take(start), &mut io::sink()).map_err(unreadable)?;
        if skipped != start {
            return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(content)
    }

    /// The manifests that `named` and the indexes among them name, as far as they lie there: an index may name platforms that were left out.
    fn image_manifests(
        &self,
        image: &Artifact,
        named: Vec<Descriptor>,
        blobs: &BTreeMap<Digest, Span>,
    ) -> Result<Vec<ImageManifest>, BundleError> {
        let mut manifests: Vec<ImageManifest> = Vec::new();
        let mut waiting: std::collections::VecDeque<(Descriptor, bool)> = named.into_iter().map(|one| (one, true)).collect();
        while let Some((Descriptor { media_type, digest, annotations }, is_top)) = waiting.pop_front() {
            let Some(digest) = digest.strip_prefix("sha256:").and_then(|digits| digits.parse::<Digest>().ok()) else { continue };
            let Some(span) = blobs.get(&digest).filter(|span| span.size <= MANIFEST_LIMIT) else { continue };
            if manifests.iter().any(|known| known.digest == digest) {
                continue;
            }
            let mut text = Vec::new();
            let content = self.open_content_at(&image.digest, span.start)?;
            content
                .take(span.size)
                .read_to_end(&mut text)
                .map_err(|source| BundleError::Undecodable { path: self.blob_path(&image.digest), source })?;
            if let Ok(index) = serde_json::from_slice::<Index>(&text) {
                waiting.extend(index.manifests.into_iter().map(|one| (one, false)));
            }
            let reference = annotations.reference.filter(|_| is_top);
            manifests.push(ImageManifest { digest, media_type, reference, text });
        }
        Ok(manifests)
    }
}

/// Tells how much was read.
struct Told<'a, R> {
    content: R,
    progress: &'a dyn Fn(u64),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(target)?;
        (self.progress)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::ArtifactKind;
    use crate::testing::{add, bundle};

    fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn blob(content: &[u8]) -> (String, Vec<u8>) {
        (format!("{BLOBS}{}", Digest::of(content)), content.to_vec())
    }

    #[test]
    fn parts_are_found_where_they_lie() {
        let (layer, manifest) = (vec![7; 3000], br#"{"layers":[]}"#.to_vec());
        let inner = format!(r#"{{"manifests":[{{"mediaType":"m","digest":"sha256:{}"}}]}}"#, Digest::of(&manifest)).into_bytes();
        let index = format!(
            r#"{{"manifests":[{{"mediaType":"i","digest":"sha256:{}","annotations":{{"org.opencontainers.image.ref.name":"a/b:1"}}}},
                {{"mediaType":"m","digest":"sha256:{}"}}]}}"#,
            Digest::of(&inner),
            Digest::of(b"not there")
        );
        let (_folder, mut bundle) = bundle(&[]);
        let content = archive(&[blob(&layer), blob(&manifest), blob(&inner), (INDEX.to_owned(), index.into_bytes())]);
        let image = add(&mut bundle, ArtifactKind::Image, "a/b", "1", &content);
        let layout = bundle.image_layout(&image, &|_| {}).unwrap();
        let named: Vec<_> =
            layout.manifests.iter().map(|found| (found.digest, found.reference.as_deref(), found.media_type.as_str())).collect();
        assert_eq!(named, [(Digest::of(&inner), Some("a/b:1"), "i"), (Digest::of(&manifest), None, "m")]);
        let span = layout.blobs[&Digest::of(&layer)];
        let mut read = Vec::new();
        bundle.open_content_at(&image.digest, span.start + 2990).unwrap().take(span.size - 2990).read_to_end(&mut read).unwrap();
        assert_eq!(read, [7; 10]);
        assert!(bundle.open_content_at(&image.digest, content.len() as u64 + 1).is_err(), "behind the end");
    }

    #[test]
    fn what_is_no_layout_is_named() {
        let (_folder, mut bundle) = bundle(&[]);
        let image = add(&mut bundle, ArtifactKind::Image, "a/b", "1", &archive(&[blob(b"x")]));
        assert!(matches!(bundle.image_layout(&image, &|_| {}), Err(BundleError::NotAnImage { .. })));
    }
}
