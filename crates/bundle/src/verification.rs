//! Checks all files of a bundle against its manifest, several at once.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use barque_model::Digest;
use serde::Serialize;

use crate::fault::{Content, Fault, FaultKind};
use crate::place::{MANIFEST, blob_name};
use crate::verify::hash;
use crate::{Bundle, BundleError, Surplus};

/// More readers than this do not make a disk faster.
const READERS: usize = 8;

/// What a check of a whole bundle has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The bundle.
    pub bundle: PathBuf,
    /// See [`Bundle::digest`].
    pub digest: Digest,
    /// Number of files that the manifest knows, itself among them.
    pub files: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// All faults, sorted by path. Empty means good.
    pub faults: Vec<Fault>,
}

/// A file to look at.
struct Wanted {
    name: String,
    artifacts: Vec<String>,
    /// `None` for a file that the manifest does not know.
    expected: Option<(u64, Digest)>,
    size: u64,
    /// Whether it is read: of what is no plain file only the name is told.
    is_read: bool,
}

impl Bundle {
    /// Hashes every file again and names all that are missing, changed or surplus. `progress` is told the number of bytes since it was
    /// last told, by several threads.
    pub fn verify_files(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<Verification, BundleError> {
        let mut wanted = self.wanted();
        for surplus in self.surplus()? {
            let Surplus { path, size, is_file } = surplus;
            wanted.push(Wanted { name: path, artifacts: Vec::new(), expected: None, size, is_read: is_file });
        }
        // The largest first, so that no thread is left alone with it at the end.
        wanted.sort_by(|left, right| (right.size, &left.name).cmp(&(left.size, &right.name)));
        let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let count = |read| {
            bytes.fetch_add(read, Ordering::Relaxed);
            progress(read);
        };
        let faults = Mutex::new(Vec::new());
        let readers = std::thread::available_parallelism().map_or(1, NonZero::get).min(READERS);
        std::thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    while let Some(file) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(fault) = self.look_at(file, &count) {
                            faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(fault);
                        }
                    }
                });
            }
        });
        let mut faults = faults.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        faults.sort();
        let known = wanted.iter().filter(|file| file.expected.is_some()).count();
        Ok(Verification { bundle: self.root().to_owned(), digest: self.digest(), files: known + 1, bytes: bytes.into_inner(), faults })
    }

    /// Names the files that are missing or not of the right size, without reading them.
    pub fn glance(&self) -> Vec<Fault> {
        let faults = self.wanted().into_iter().filter_map(|file| {
            let (size, digest) = file.expected?;
            let (kind, found) = match self.place().size_of(&file.name) {
                Ok(Some(found)) if found == size => return None,
                Ok(Some(found)) => (FaultKind::Changed, Some(Content { size: Some(found), digest: None })),
                Ok(None) => (FaultKind::Missing, None),
                Err(error) => (FaultKind::Unreadable { why: causes(&error) }, None),
            };
            let expected = Some(Content { size: Some(size), digest: Some(digest) });
            Some(Fault { path: file.name, kind, artifacts: file.artifacts, expected, found })
        });
        faults.collect()
    }

    /// The blobs that the manifest knows, each once, by name.
    fn wanted(&self) -> Vec<Wanted> {
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for artifact in self.artifacts() {
            let name = blob_name(&artifact.digest);
            let entry = wanted.entry(name.clone()).or_insert_with(|| Wanted {
                name,
                artifacts: Vec::new(),
                expected: Some((artifact.compressed_size, artifact.compressed_digest)),
                size: artifact.compressed_size,
                is_read: true,
            });
            entry.artifacts.push(artifact.to_string());
        }
        wanted.into_values().collect()
    }

    fn look_at(&self, file: &Wanted, progress: &dyn Fn(u64)) -> Option<Fault> {
        if !file.is_read {
            let Wanted { name, artifacts, .. } = file;
            return Some(Fault { path: name.clone(), kind: FaultKind::Surplus, artifacts: artifacts.clone(), expected: None, found: None });
        }
        let (kind, found) = match self.content_of(&file.name, progress) {
            Ok(found) => {
                let kind = match (&file.expected, &found) {
                    (Some((size, digest)), Some(content)) if content.size == Some(*size) && content.digest == Some(*digest) => return None,
                    (Some(_), Some(_)) => FaultKind::Changed,
                    (Some(_), None) => FaultKind::Missing,
                    (None, _) => FaultKind::Surplus,
                };
                (kind, found)
            }
            // What does not belong here need not be readable.
            Err(_) if file.expected.is_none() => (FaultKind::Surplus, Some(Content { size: Some(file.size), digest: None })),
            Err(error) => (FaultKind::Unreadable { why: causes(&error) }, None),
        };
        let expected = file.expected.map(|(size, digest)| Content { size: Some(size), digest: Some(digest) });
        Some(Fault { path: file.name.clone(), kind, artifacts: file.artifacts.clone(), expected, found })
    }

    fn content_of(&self, name: &str, progress: &dyn Fn(u64)) -> Result<Option<Content>, BundleError> {
        let Some(blob) = self.place().open_entry(name)? else { return Ok(None) };
        let size = Some(blob.size());
        let failed = crate::store::io_error(format!("read `{}`", self.place().path_of(name).display()));
        let digest = hash(&mut blob.into_reader(), progress).map_err(failed)?;
        Ok(Some(Content { size, digest: Some(digest) }))
    }
}

impl Verification {
    /// The same for a bundle whose manifest has been changed, so that nothing else can be said of it; `None` for other errors.
    pub fn of_error(error: &BundleError) -> Option<Self> {
        let BundleError::ManifestChanged { path, expected, actual } = error else { return None };
        let content = |digest: &Digest| Some(Content { size: None, digest: Some(*digest) });
        let fault = Fault {
            path: MANIFEST.to_owned(),
            kind: FaultKind::Changed,
            artifacts: Vec::new(),
            expected: content(expected),
            found: content(actual),
        };
        let bundle = path.parent().map(ToOwned::to_owned).unwrap_or_default();
        Some(Self { bundle, digest: *actual, files: 1, bytes: 0, faults: vec![fault] })
    }
}

/// An error with its causes in one line.
fn causes(error: &BundleError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
