//! What barque keeps on a host: reading it, measuring it, and letting go of it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use barque_model::{Digest, SecretBytes};
use fs_err as fs;

use crate::context::HostContext;
use crate::error::HostError;
use crate::file::open;
use crate::restore::kept_copy;

/// Files longer than this are not read for people.
const READABLE: u64 = 1 << 20;

/// Content of regular files, in the order asked; `None` for what is none or longer than 1 MiB. Links are not followed.
pub fn contents(context: &HostContext, paths: &[String]) -> Vec<Option<SecretBytes>> {
    paths.iter().map(|path| read_short(&context.path(path))).collect()
}

/// Kept former contents, in the order asked.
pub fn prior_contents(context: &HostContext, digests: &[Digest]) -> Vec<Option<SecretBytes>> {
    let short = |digest: &Digest| {
        let path = context.state("prior").join(digest.to_string());
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.len() <= READABLE)
    };
    digests
        .iter()
        .map(|digest| if short(digest) { kept_copy(context, *digest).ok().flatten().map(SecretBytes::new) } else { None })
        .collect()
}

fn read_short(path: &Path) -> Option<SecretBytes> {
    let file = open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > READABLE {
        return None;
    }
    let mut content = Vec::new();
    file.take(READABLE).read_to_end(&mut content).ok()?;
    Some(SecretBytes::new(content))
}

/// Bytes that barque's folder takes, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptBytes {
    /// Content store.
    pub store: u64,
    /// Former contents.
    pub prior: u64,
    /// Journals.
    pub journals: u64,
    /// Snapshots of etcd.
    pub snapshots: u64,
    /// The agents.
    pub agents: u64,
}

/// Measures what is kept.
pub fn disk_use(context: &HostContext) -> KeptBytes {
    KeptBytes {
        store: tree(&context.store()),
        prior: tree(&context.state("prior")),
        journals: tree(&context.state("journal")),
        snapshots: tree(&context.state("snapshots")),
        agents: tree(&context.state("agent")),
    }
}

fn tree(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => tree(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Removes former contents and blobs that are in neither set.
pub fn prune(context: &HostContext, keep_prior: &BTreeSet<Digest>, keep_blobs: &BTreeSet<Digest>) -> Result<(), HostError> {
    remove_others(&context.state("prior"), |name| name.parse().is_ok_and(|digest| !keep_prior.contains(&digest)))?;
    remove_others(&context.store(), |name| name.parse().is_ok_and(|digest| !keep_blobs.contains(&digest)))?;
    let unkept =
        |name: &str| name.strip_suffix(".json").and_then(|name| name.parse().ok()).is_some_and(|digest| !keep_blobs.contains(&digest));
    remove_others(&context.store().join("index"), unkept)
}

fn remove_others(directory: &Path, goes: impl Fn(&str) -> bool) -> Result<(), HostError> {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // What has another name is not ours to judge: arrivals, temporary files, folders.
        if name.to_str().is_some_and(&goes) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
