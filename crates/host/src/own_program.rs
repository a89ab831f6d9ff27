//! barque's own program, which every host has already: its agent runs from it.

use std::io;
use std::sync::OnceLock;

use barque_model::Digest;
use barque_plan::Blob;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::blob::record_blob;
use crate::context::HostContext;
use crate::error::HostError;
use crate::marker::content_digest;
use crate::replace::Temporary;

/// The running program, whatever has become of the file that it was started from (proc_pid_exe(5)).
const RUNNING: &str = "/proc/self/exe";

/// Whether `blob` is the very program that runs now. Reads it once, and only when the size is right.
pub fn is_own_program(blob: Blob) -> bool {
    static OWN: OnceLock<Option<Digest>> = OnceLock::new();
    if !fs::metadata(RUNNING).is_ok_and(|metadata| metadata.len() == blob.size) {
        return false;
    }
    let read = || content_digest(fs::File::open(RUNNING).ok()?).ok().map(|content| content.raw);
    *OWN.get_or_init(read) == Some(blob.digest)
}

/// Copies the running program into the content store. The copy is verified before it has its name.
pub(crate) fn store_own_program(context: &HostContext, blob: Blob) -> Result<(), HostError> {
    let store = context.store();
    fs::create_dir_all(&store)?;
    let place = context.blob(blob.digest);
    let temporary = Temporary::new(context.temporary_name(&place));
    let mut copy = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(temporary.path())?;
    io::copy(&mut fs::File::open(RUNNING)?, &mut copy)?;
    if content_digest(fs::File::open(temporary.path())?)?.raw != blob.digest {
        return Err(HostError::Refused {
            message: "the copy of barque's own program differs from it".to_owned(),
            hint: format!("see whether the disk is healthy: `dmesg | tail` and `df -h {}` on the host", store.display()),
        });
    }
    temporary.persist(&place)?;
    record_blob(context, blob)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::blob::{BlobState, blob_state};

    #[test]
    fn the_running_program_is_known_and_kept() {
        let bytes = fs::read(RUNNING).unwrap();
        let own = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        assert!(is_own_program(own));
        assert!(!is_own_program(Blob { size: own.size + 1, ..own }));
        assert!(!is_own_program(Blob { digest: Digest::of(b"other"), ..own }));
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        store_own_program(&context, own).unwrap();
        assert_eq!(blob_state(&context, own.digest).unwrap(), BlobState::Intact);
        let files = fs::read_dir(context.store()).unwrap().filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_file());
        assert_eq!(files.count(), 1, "no temporary file stays");
    }
}
