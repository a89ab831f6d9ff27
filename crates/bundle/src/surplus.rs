//! What lies in a bundle's folder and does not belong there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use crate::place::{MANIFEST, Place, SIGNATURE, blob_name};
use crate::store::io_error;
use crate::{Bundle, BundleError};

/// Something that the manifest does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surplus {
    /// Its name in the bundle; that of a folder ends in `/`.
    pub path: String,
    /// In bytes; 0 for what is no plain file.
    pub size: u64,
    /// Whether it is a plain file, and no folder, link or the like.
    pub is_file: bool,
}

impl Bundle {
    /// Everything that the manifest does not know, sorted. Links are not followed.
    pub fn surplus(&self) -> Result<Vec<Surplus>, BundleError> {
        let known = self.known();
        let mut found = Vec::new();
        match self.place() {
            Place::Folder(root) => collect(root, Path::new(""), &known, &mut found)?,
            Place::File(archive) => {
                let unknown = archive.entries().iter().filter(|(name, _)| !known.contains(*name));
                found.extend(unknown.map(|(name, span)| Surplus { path: name.clone(), size: span.size, is_file: true }));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Deletes `surplus`, which [`Bundle::surplus`] has answered. What the manifest knows is never deleted.
    pub fn prune(&self, surplus: &[Surplus]) -> Result<(), BundleError> {
        let root = self.place().folder()?;
        let known = self.known();
        // Backwards: what is in a folder goes before the folder.
        for Surplus { path, .. } in surplus.iter().rev().filter(|surplus| !known.contains(&surplus.path)) {
            let full = root.join(path);
            let removed = if path.ends_with('/') { fs::remove_dir(&full) } else { fs::remove_file(&full) };
            removed.map_err(io_error(format!("prune bundle `{}`", root.display())))?;
        }
        Ok(())
    }

    /// Names of all that belongs to the bundle.
    fn known(&self) -> BTreeSet<String> {
        let blobs = self.artifacts().iter().map(|artifact| blob_name(&artifact.digest));
        blobs.chain([MANIFEST, SIGNATURE, "blobs/", "blobs"].map(str::to_owned)).collect()
    }
}

fn collect(root: &Path, below: &Path, known: &BTreeSet<String>, found: &mut Vec<Surplus>) -> Result<(), BundleError> {
    let folder = root.join(below);
    let failed = || io_error(format!("list bundle `{}`", root.display()));
    for entry in fs::read_dir(&folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let kind = entry.file_type().map_err(failed())?;
        let relative: PathBuf = below.join(entry.file_name());
        let mut path = relative.display().to_string();
        if kind.is_dir() {
            path.push('/');
            collect(root, &relative, known, found)?;
        }
        if !known.contains(&path) {
            let size = if kind.is_file() { entry.metadata().map_err(failed())?.len() } else { 0 };
            found.push(Surplus { path, size, is_file: kind.is_file() });
        }
    }
    Ok(())
}
