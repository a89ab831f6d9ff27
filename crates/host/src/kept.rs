//! What barque keeps on a host: reading it, measuring it, and letting go of it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use barque_model::{Digest, SecretBytes};
use fs_err as fs;

use crate::context::HostContext;
use crate::error::HostError;
use crate::file::{is_absent, open};

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

/// The kept copy of a former content, verified; `None` when there is none.
pub(crate) fn kept_copy(context: &HostContext, digest: Digest) -> Result<Option<Vec<u8>>, HostError> {
    let copy = context.state("prior").join(digest.to_string());
    let content = match fs::read(&copy) {
        Ok(content) => content,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if Digest::of(&content) == digest {
        return Ok(Some(content));
    }
    Err(HostError::Refused {
        message: format!("the kept copy `{}` is damaged", copy.display()),
        hint: format!("restore the file from a backup of the host; see what wrote to the copy with `stat {}`", copy.display()),
    })
}

fn read_short(path: &Path) -> Option<SecretBytes> {
    let file = open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > READABLE {
        return None;
    }
    let mut content = Vec::new();
    // It may grow meanwhile.
    file.take(READABLE + 1).read_to_end(&mut content).ok()?;
    let content = SecretBytes::new(content);
    (content.expose().len() as u64 <= READABLE).then_some(content)
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

/// Removes former contents, and blobs with the records of their arrival, that are in neither set.
pub fn prune(context: &HostContext, keep_prior: &BTreeSet<Digest>, keep_blobs: &BTreeSet<Digest>) -> Result<(), HostError> {
    let unkept = |kept: &BTreeSet<Digest>, name: Option<&str>| {
        name.and_then(|name| name.parse::<Digest>().ok()).is_some_and(|digest| !kept.contains(&digest))
    };
    remove_those(&context.state("prior"), |name| unkept(keep_prior, Some(name)))?;
    remove_those(&context.store(), |name| unkept(keep_blobs, Some(name)))?;
    // Last: a blob without a record is read again, a record without a blob vouches for nothing.
    remove_those(&context.store().join("index"), |name| unkept(keep_blobs, name.strip_suffix(".json")))
}

fn remove_those(directory: &Path, goes: impl Fn(&str) -> bool) -> Result<(), HostError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        // What has another name is not ours to judge: arrivals, temporary files, folders.
        if entry.file_name().to_str().is_some_and(&goes) && entry.file_type()?.is_file() {
            match fs::remove_file(entry.path()) {
                Err(error) if !is_absent(&error) => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_plan::Blob;

    use super::*;
    use crate::blob::{BlobState, blob_state, record_blob};

    fn context(root: &Path) -> HostContext {
        let context = HostContext::new(root);
        for folder in [context.state("prior"), context.store().join("index"), context.state("journal")] {
            fs::create_dir_all(folder).unwrap();
        }
        context
    }

    fn keep(context: &HostContext, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        fs::write(context.state("prior").join(digest.to_string()), content).unwrap();
        fs::write(context.blob(digest), content).unwrap();
        record_blob(context, Blob { digest, size: content.len() as u64 }).unwrap();
        digest
    }

    #[test]
    fn what_nothing_needs_goes_and_the_rest_stays() {
        let root = tempfile::tempdir().unwrap();
        let context = context(root.path());
        let (old, prior, blob) = (keep(&context, b"old"), keep(&context, b"prior"), keep(&context, b"blob"));
        fs::write(context.store().join(".arriving"), b"half").unwrap();
        for _ in 0..2 {
            prune(&context, &BTreeSet::from([prior]), &BTreeSet::from([blob])).unwrap();
            let kept: Vec<bool> = prior_contents(&context, &[old, prior, blob]).iter().map(Option::is_some).collect();
            assert_eq!(kept, [false, true, false]);
            assert_eq!(
                [old, prior, blob].map(|digest| blob_state(&context, digest).unwrap()),
                [BlobState::Absent, BlobState::Absent, BlobState::Intact]
            );
            assert_eq!([old, prior, blob].map(|digest| context.blob_record(digest).exists()), [false, false, true]);
            assert!(context.store().join(".arriving").exists());
        }
        prune(&HostContext::new(root.path().join("none")), &BTreeSet::new(), &BTreeSet::new()).unwrap();
    }

    #[test]
    fn only_short_regular_files_are_read() {
        let root = tempfile::tempdir().unwrap();
        let context = context(root.path());
        fs::write(root.path().join("file"), b"text").unwrap();
        fs::write(root.path().join("longest"), vec![1; 1 << 20]).unwrap();
        fs::write(root.path().join("longer"), vec![1; (1 << 20) + 1]).unwrap();
        std::os::unix::fs::symlink("file", root.path().join("link")).unwrap();
        let paths = ["/file", "/longest", "/longer", "/link", "/var", "/none"].map(str::to_owned);
        let lengths: Vec<Option<usize>> =
            contents(&context, &paths).iter().map(|content| content.as_ref().map(|content| content.expose().len())).collect();
        assert_eq!(lengths, [Some(4), Some(1 << 20), None, None, None, None]);
        let digest = keep(&context, b"former");
        fs::write(context.state("prior").join(digest.to_string()), b"forged").unwrap();
        assert!(prior_contents(&context, &[digest])[0].is_none(), "a copy that is not what it says is none");
    }

    #[test]
    fn space_is_measured_by_what_it_is_for() {
        let root = tempfile::tempdir().unwrap();
        let context = context(root.path());
        assert_eq!(disk_use(&context), KeptBytes::default());
        fs::write(context.state("prior").join("a"), vec![0; 10]).unwrap();
        fs::create_dir_all(context.store().join("index")).unwrap();
        fs::write(context.store().join("index/b"), vec![0; 20]).unwrap();
        fs::write(context.store().join("c"), vec![0; 300]).unwrap();
        fs::write(context.state("journal").join("d"), vec![0; 4]).unwrap();
        assert_eq!(disk_use(&context), KeptBytes { store: 320, prior: 10, journals: 4, ..KeptBytes::default() });
    }
}
