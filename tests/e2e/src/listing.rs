//! What lies on a host's disks, seen from this machine: path, kind, mode, owner and content of everything in some folders.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use barque_model::Digest;
use fs_err as fs;

/// Files above this size hold no run identifier: they are programs and archives.
const TEXT_BYTES: u64 = 1 << 20;
/// Characters of a run identifier, `20261125T020304Z-1a2b`.
const RUN_LENGTH: usize = 21;

/// Which part of a disk is looked at, and how.
#[derive(Debug, Clone)]
pub struct Scope {
    folders: Vec<String>,
    without: Vec<String>,
    times: bool,
    mask_runs: bool,
}

impl Scope {
    /// Everything but what the kernel shows as files, what changes by itself (logs, caches, systemd's own state) and the state of
    /// package managers.
    pub fn whole() -> Self {
        let without = [
            "/proc",
            "/sys",
            "/dev",
            "/run",
            "/tmp",
            "/var/tmp",
            "/var/log",
            "/var/cache",
            "/var/lib/apt",
            "/var/lib/dpkg",
            "/var/lib/systemd",
        ];
        Self::of(&["/"]).without(&without)
    }

    /// What barque manages on a host that serves: configuration, links to programs, units.
    pub fn managed() -> Self {
        Self::of(&["/etc", "/usr/local", "/opt", "/var/lib/kubelet/config.yaml"])
    }

    /// These folders and files with all that is in them; what is absent is left out.
    pub fn of(folders: &[&str]) -> Self {
        Self { folders: folders.iter().map(|path| (*path).to_owned()).collect(), without: Vec::new(), times: false, mask_runs: false }
    }

    /// The same without these folders and files.
    #[must_use]
    pub fn without(mut self, paths: &[&str]) -> Self {
        self.without.extend(paths.iter().map(|path| (*path).to_owned()));
        self
    }

    /// Modification times of files count too, so that writing the same content again shows.
    #[must_use]
    pub fn with_times(mut self) -> Self {
        self.times = true;
        self
    }

    /// Run identifiers in names and contents do not count.
    #[must_use]
    pub fn masking_runs(mut self) -> Self {
        self.mask_runs = true;
        self
    }
}

/// Paths, each with all that counts of it, in one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, String>);

impl Listing {
    /// Walks the file system at `root`. What vanishes meanwhile is not there.
    pub fn take(root: &Path, scope: &Scope) -> Result<Self> {
        let mut listing = Self::default();
        let mut waiting: Vec<PathBuf> = scope.folders.iter().map(PathBuf::from).collect();
        while let Some(path) = waiting.pop() {
            if scope.without.iter().any(|without| Path::new(without) == path) {
                continue;
            }
            let seen = look(root, &path, scope).with_context(|| format!("cannot look at `{}`", path.display()))?;
            let Some((line, children)) = seen else { continue };
            let name = path.display().to_string();
            listing.0.insert(if scope.mask_runs { String::from_utf8_lossy(&masked(name.as_bytes())).into_owned() } else { name }, line);
            waiting.extend(children);
        }
        Ok(listing)
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All that counts of one path.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// What is different in `later`, a line each.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, before) in &self.0 {
            match later.0.get(path) {
                None => found.push(format!("- {path} ({before})")),
                Some(after) if after != before => found.push(format!("! {path} ({before} -> {after})")),
                Some(_) => {}
            }
        }
        found.extend(later.0.iter().filter(|(path, _)| !self.0.contains_key(*path)).map(|(path, after)| format!("+ {path} ({after})")));
        found
    }
}

/// A line for one path, and what is in it when it is a folder. `None` when it is not there.
fn look(root: &Path, path: &Path, scope: &Scope) -> io::Result<Option<(String, Vec<PathBuf>)>> {
    let place = root.join(path.strip_prefix("/").unwrap_or(path));
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) => return gone(error),
    };
    let head = |kind: char| format!("{kind} {:04o} {}:{}", metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
    let kind = metadata.file_type();
    if kind.is_dir() {
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) => return gone(error),
        };
        let children = entries.map(|entry| Ok(path.join(entry?.file_name()))).collect::<io::Result<_>>()?;
        return Ok(Some((head('d'), children)));
    }
    if kind.is_symlink() {
        return Ok(match fs::read_link(&place) {
            Ok(target) => Some((format!("{} -> {}", head('l'), target.display()), Vec::new())),
            Err(error) => return gone(error),
        });
    }
    if !kind.is_file() {
        let kind = if kind.is_socket() { 's' } else { 'p' };
        return Ok(Some((head(kind), Vec::new())));
    }
    let content = match fs::read(&place) {
        Ok(content) => content,
        Err(error) => return gone(error),
    };
    let digest = if scope.mask_runs && metadata.len() <= TEXT_BYTES { Digest::of(&masked(&content)) } else { Digest::of(&content) };
    let time = if scope.times { format!(" {}.{:09}", metadata.mtime(), metadata.mtime_nsec()) } else { String::new() };
    Ok(Some((format!("{} {} {digest}{time}", head('f'), content.len()), Vec::new())))
}

/// `content` with the same word in place of each run identifier.
pub(crate) fn masked(content: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        match content.get(at..at + RUN_LENGTH) {
            Some(window) if is_run(window) => {
                result.extend_from_slice(barque_model::RUN_MARKER.as_bytes());
                at += RUN_LENGTH;
            }
            _ => {
                result.push(content[at]);
                at += 1;
            }
        }
    }
    result
}

fn is_run(window: &[u8]) -> bool {
    window[8] == b'T' && std::str::from_utf8(window).is_ok_and(|text| text.parse::<barque_model::RunId>().is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn runs_are_masked_and_nothing_else() {
        assert_eq!(masked(b"run 20261125T020304Z-1a2b."), b"run @barque-run@.");
        assert_eq!(masked(b"20261125T020304Z-1a2"), b"20261125T020304Z-1a2");
        assert_eq!(masked(b"x"), b"x");
    }

    #[test]
    fn content_mode_and_links_show() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/a"), "1").unwrap();
        fs::write(folder.path().join("etc/b"), "of 20261125T020304Z-1a2b").unwrap();
        std::os::unix::fs::symlink("/etc/a", folder.path().join("etc/c")).unwrap();
        let scope = Scope::of(&["/etc", "/absent"]).masking_runs();
        let before = Listing::take(folder.path(), &scope).unwrap();
        assert_eq!(before.paths().collect::<Vec<_>>(), ["/etc", "/etc/a", "/etc/b", "/etc/c"]);
        fs::write(folder.path().join("etc/b"), "of 20261126T020304Z-ffff").unwrap();
        assert_eq!(before.differences(&Listing::take(folder.path(), &scope).unwrap()), [""; 0]);
        fs::write(folder.path().join("etc/a"), "2").unwrap();
        fs::set_permissions(folder.path().join("etc/b"), std::fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(folder.path().join("etc/c")).unwrap();
        fs::write(folder.path().join("etc/d"), "").unwrap();
        let found = before.differences(&Listing::take(folder.path(), &scope).unwrap());
        let signs: Vec<&str> = found.iter().map(|line| &line[..8]).collect();
        assert_eq!(signs, ["! /etc/a", "! /etc/b", "- /etc/c", "+ /etc/d"]);
        let less = Listing::take(folder.path(), &scope.without(&["/etc/d"])).unwrap();
        assert_eq!(less.get("/etc/d"), None);
    }
}
