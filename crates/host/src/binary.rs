//! Programs: links into the content store.

use std::path::Path;

use barque_model::Digest;
use barque_plan::{Binary, Observed};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::blob::{BlobState, blob_state};
use crate::context::{HostContext, STORE_DIRECTORY};
use crate::error::HostError;
use crate::file::{is_absent, kind_of};
use crate::own_program::{is_own_program, store_own_program};
use crate::replace::{Temporary, make_parents, sync_parent};

/// Observes the link and the blob that it leads to.
pub(crate) fn observe(context: &HostContext, wanted: &Binary) -> Result<Observed, HostError> {
    let path = context.path(&wanted.path);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Observed::Absent),
        Err(error) => return Err(error.into()),
    };
    if !metadata.file_type().is_symlink() {
        // A program put there by hand is replaced, and kept by the journal.
        let regular = metadata.is_file();
        return Ok(if regular {
            Observed::Binary { target: None, intact: false }
        } else {
            Observed::Other { what: kind_of(metadata.file_type()).to_owned() }
        });
    }
    let target = store_digest(&fs::read_link(&path)?);
    let intact = match target {
        Some(digest) => blob_state(context, digest)? == BlobState::Intact,
        None => false,
    };
    Ok(Observed::Binary { target, intact })
}

/// The digest in a link that leads into the store.
fn store_digest(target: &Path) -> Option<Digest> {
    target.strip_prefix(STORE_DIRECTORY).ok()?.to_str()?.parse().ok()
}

/// Puts the link in place. The blob must be in the store, or be the program that runs.
pub(crate) fn apply(context: &HostContext, wanted: &Binary) -> Result<(), HostError> {
    if blob_state(context, wanted.blob.digest)? != BlobState::Intact && is_own_program(wanted.blob) {
        store_own_program(context, wanted.blob)?;
    }
    require_blob(context, wanted.blob.digest, &wanted.path)?;
    let path = context.path(&wanted.path);
    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(HostError::Refused {
            message: format!("a directory is in the place of the program `{}`", wanted.path),
            hint: format!("look at it and move it away with `mv {0} {0}.old` on the host", wanted.path),
        });
    }
    make_parents(&path)?;
    let temporary = Temporary::new(context.temporary_name(&path));
    symlink(Path::new(STORE_DIRECTORY).join(wanted.blob.digest.to_string()), temporary.path())?;
    temporary.persist(&path)?;
    sync_parent(&path)
}

/// Fails unless the blob is in the store and intact.
pub(crate) fn require_blob(context: &HostContext, digest: Digest, what: &str) -> Result<(), HostError> {
    let problem = match blob_state(context, digest)? {
        BlobState::Intact => return Ok(()),
        BlobState::Absent => "is not in the host's store",
        BlobState::Damaged => "was changed in the host's store",
    };
    Err(HostError::Refused {
        message: format!("the content of {what} ({}) {problem}", digest.short()),
        hint: "run `barque up` again: it sends what is missing".to_owned(),
    })
}
