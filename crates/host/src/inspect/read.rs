//! Reads files and folders that may be missing.

use std::path::PathBuf;

use fs_err as fs;

use crate::context::HostContext;

/// A file's text; empty when it cannot be read.
pub(super) fn text(context: &HostContext, path: &str) -> String {
    fs::read(context.path(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A file's first line without space around it; `None` when it is empty or cannot be read.
pub(super) fn line(context: &HostContext, path: &str) -> Option<String> {
    let text = text(context, path);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Names in a folder, sorted; none when it is not there.
pub(super) fn names(context: &HostContext, path: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(context.path(path)) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Paths of the files in a folder whose names end in `end`, sorted.
pub(super) fn files(context: &HostContext, folder: &str, end: &str) -> Vec<String> {
    names(context, folder).into_iter().filter(|name| name.ends_with(end)).map(|name| format!("{folder}/{name}")).collect()
}

/// Whether something is at `path`.
pub(super) fn exists(context: &HostContext, path: &str) -> bool {
    fs::symlink_metadata(context.path(path)).is_ok()
}

/// Where a symbolic link leads; `None` when there is none.
pub(super) fn link(context: &HostContext, path: &str) -> Option<PathBuf> {
    fs::read_link(context.path(path)).ok()
}
