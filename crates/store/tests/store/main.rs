//! Tests of the public interface.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod formats;
mod locking;
mod runs;
mod sealing;
mod state;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_pki::Vault;
use jiff::Timestamp;

fn now() -> Timestamp {
    "2026-11-25T02:03:04Z".parse().unwrap()
}

/// A real vault, of a cluster that does not exist.
fn vault() -> Vault {
    Vault::from_json(include_bytes!("../../../pki/tests/fixtures/vault-format-1.json")).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// All files and directories below `root` with their modes, sorted.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            lines.push(format!("{:o} {}", mode(&path), path.strip_prefix(root).unwrap().display()));
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    lines.sort_by(|left, right| left[4..].cmp(&right[4..]));
    lines
}
