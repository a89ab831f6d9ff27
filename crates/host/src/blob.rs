//! The content store: `/var/lib/barque/store/<digest>` and a record of each arrival.
//!
//! Blobs are not synced one by one: waiting for the disk to take two gigabytes would dominate a deployment. Instead a record
//! says in which boot a blob arrived and whether it has been synced since. Within one boot the kernel's own view of a file is
//! whole whatever the disk has; a record that was not synced and is of an earlier boot is believed only after hashing again.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use barque_model::Digest;
use barque_plan::Blob;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::context::HostContext;
use crate::error::HostError;
use crate::marker::content_digest;
use crate::replace::{read_record, write_record_unsynced};

/// Version of [`BlobRecord`].
const RECORD_FORMAT: u32 = 1;

/// What was known of a blob when its content was last verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// Version of this record.
    pub format: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Time of the last change of content or attributes, nanoseconds since 1970.
    pub ctime_ns: i128,
    /// Inode number.
    pub inode: u64,
    /// The boot in which it was written.
    pub boot_id: String,
    /// Whether it has been synced to disk.
    pub synced: bool,
}

impl BlobRecord {
    fn of(metadata: &std::fs::Metadata, boot_id: &str, synced: bool) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            format: RECORD_FORMAT,
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            boot_id: boot_id.to_owned(),
            synced,
        }
    }

    fn describes(&self, other: &Self) -> bool {
        let key = |record: &Self| (record.format, record.size, record.mtime_ns, record.ctime_ns, record.inode);
        key(self) == key(other)
    }
}

/// State of a blob in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// Not there.
    Absent,
    /// There, with the content that its name says.
    Intact,
    /// There, with other content.
    Damaged,
}

/// Looks at a blob; reads it only when its record does not vouch for it.
pub fn blob_state(context: &HostContext, digest: Digest) -> Result<BlobState, HostError> {
    let path = context.blob(digest);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(BlobState::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BlobState::Absent),
        Err(error) => return Err(error.into()),
    };
    let present = BlobRecord::of(&metadata, context.boot_id(), false);
    let record: Option<BlobRecord> = read_record(&context.blob_record(digest));
    let vouched =
        record.as_ref().is_some_and(|record| record.describes(&present) && (record.synced || record.boot_id == context.boot_id()));
    if vouched {
        return Ok(BlobState::Intact);
    }
    if content_digest(fs::File::open(&path)?)?.raw != digest {
        return Ok(BlobState::Damaged);
    }
    // What was read after a boot came from the disk.
    let from_disk = record.is_some_and(|record| record.describes(&present) && record.boot_id != context.boot_id());
    write_record_unsynced(context, &context.blob_record(digest), &BlobRecord { synced: from_disk, ..present })?;
    Ok(BlobState::Intact)
}

/// Notes the arrival of a verified blob, after it was renamed into the store.
pub fn record_blob(context: &HostContext, blob: Blob) -> Result<(), HostError> {
    let metadata = fs::symlink_metadata(context.blob(blob.digest))?;
    write_record_unsynced(context, &context.blob_record(blob.digest), &BlobRecord::of(&metadata, context.boot_id(), false))
}

/// Syncs the store's file system once and notes it in the records of `digests`.
pub fn sync_blobs(context: &HostContext, digests: &[Digest]) -> Result<(), HostError> {
    if digests.is_empty() {
        return Ok(());
    }
    let store = context.store();
    rustix::fs::syncfs(fs::File::open(&store)?).map_err(|error| HostError::io("sync", &store, error))?;
    for digest in digests {
        let path = context.blob_record(*digest);
        if let Some(record) = read_record::<BlobRecord>(&path) {
            write_record_unsynced(context, &path, &BlobRecord { synced: true, ..record })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn context(root: &std::path::Path, boot: &str) -> HostContext {
        fs::create_dir_all(root.join("proc/sys/kernel/random")).unwrap();
        fs::write(root.join("proc/sys/kernel/random/boot_id"), boot).unwrap();
        HostContext::new(root)
    }

    fn store(context: &HostContext, content: &[u8]) -> Blob {
        let blob = Blob { digest: Digest::of(content), size: content.len() as u64 };
        fs::create_dir_all(context.store()).unwrap();
        fs::write(context.blob(blob.digest), content).unwrap();
        record_blob(context, blob).unwrap();
        blob
    }

    fn forged_record(context: &HostContext, digest: Digest, change: impl FnOnce(&mut BlobRecord)) {
        let path = context.blob_record(digest);
        let mut record = read_record::<BlobRecord>(&path).unwrap();
        change(&mut record);
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    }

    #[test]
    fn changed_content_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let context = context(root.path(), "boot-1");
        let blob = store(&context, b"program");
        assert_eq!(blob_state(&context, blob.digest).unwrap(), BlobState::Intact);
        fs::write(context.blob(blob.digest), b"PROGRAM").unwrap();
        assert_eq!(blob_state(&context, blob.digest).unwrap(), BlobState::Damaged);
        assert_eq!(blob_state(&context, Digest::of(b"other")).unwrap(), BlobState::Absent);
    }

    #[test]
    fn an_unsynced_blob_of_another_boot_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let first = context(root.path(), "boot-1");
        let blob = store(&first, b"program");
        fs::write(first.blob(blob.digest), b"\0\0\0\0\0\0\0").unwrap();
        let metadata = fs::symlink_metadata(first.blob(blob.digest)).unwrap();
        forged_record(&first, blob.digest, |record| *record = BlobRecord::of(&metadata, "boot-1", false));
        assert_eq!(blob_state(&first, blob.digest).unwrap(), BlobState::Intact, "within a boot the record vouches");
        let second = context(root.path(), "boot-2");
        assert_eq!(blob_state(&second, blob.digest).unwrap(), BlobState::Damaged);
    }

    #[test]
    fn a_synced_blob_is_believed_in_every_boot() {
        let root = tempfile::tempdir().unwrap();
        let first = context(root.path(), "boot-1");
        let blob = store(&first, b"program");
        sync_blobs(&first, &[blob.digest]).unwrap();
        let second = context(root.path(), "boot-2");
        assert_eq!(blob_state(&second, blob.digest).unwrap(), BlobState::Intact);
        assert!(read_record::<BlobRecord>(&second.blob_record(blob.digest)).unwrap().synced);
    }
}
