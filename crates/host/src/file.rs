//! Files with exact content.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_model::{Digest, RunId, SecretBytes};
use barque_plan::{File, Observed};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::context::HostContext;
use crate::error::HostError;
use crate::marker::{content_digest, with_run};
use crate::owner::Accounts;
use crate::replace::{Attributes, replace_file};

/// Folders whose files systemd reads.
pub(crate) const UNIT_DIRECTORIES: [&str; 4] =
    ["/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/", "/run/systemd/system/"];

/// Observes what lies at the file's path.
pub(crate) fn observe(context: &HostContext, accounts: &Accounts, wanted: &File) -> Result<Observed, HostError> {
    let path = context.path(&wanted.path);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Observed::Absent),
        Err(error) => return Err(error.into()),
    };
    if !metadata.is_file() {
        return Ok(Observed::Other { what: kind_of(metadata.file_type()).to_owned() });
    }
    let digest = content_digest(open(&path)?)?;
    // Content that names a run by itself, and is meant to, is equal as it stands.
    let digest = if digest.raw == wanted.digest { digest.raw } else { digest.rendered };
    Ok(Observed::File { digest, mode: metadata.permissions().mode() & 0o7777, owner: accounts.owner(&metadata) })
}

/// Writes the file, or only its mode and owner when its content is right and was not sent.
pub(crate) fn apply(context: &HostContext, wanted: &File, content: Option<&SecretBytes>, run: &RunId) -> Result<(), HostError> {
    let path = context.path(&wanted.path);
    let (uid, gid) = Accounts::read(context).ids(&wanted.owner)?;
    let attributes = Attributes { mode: wanted.mode, uid, gid };
    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(HostError::Refused {
            message: format!("a directory is in the place of the file `{}`", wanted.path),
            hint: format!("look at it and move it away with `mv {0} {0}.old` on the host", wanted.path),
        });
    }
    match content {
        Some(content) => {
            if Digest::of(content.expose()) != wanted.digest {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the content sent for `{}` has another digest", wanted.path),
                )
                .into());
            }
            replace_file(context, &path, &with_run(content.expose(), run), attributes)
                .map_err(|error| error.or_no_space(context, &wanted.path))?;
        }
        None => set_attributes(&path, wanted, attributes)?,
    }
    if UNIT_DIRECTORIES.iter().any(|directory| wanted.path.starts_with(directory)) {
        context.mark_units_changed();
    }
    Ok(())
}

fn set_attributes(path: &Path, wanted: &File, attributes: Attributes) -> Result<(), HostError> {
    let unsent = || io::Error::new(io::ErrorKind::InvalidInput, format!("the content of `{}` differs and was not sent", wanted.path));
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err(unsent().into());
    }
    let digest = content_digest(open(path)?)?;
    if wanted.digest != digest.raw && wanted.digest != digest.rendered {
        return Err(unsent().into());
    }
    let file = open(path)?;
    std::os::unix::fs::fchown(&file, Some(attributes.uid), Some(attributes.gid))
        .map_err(|error| HostError::io("change the owner of", path, error))?;
    file.set_permissions(std::fs::Permissions::from_mode(attributes.mode))?;
    file.sync_all()?;
    Ok(())
}

/// Opens a regular file: never through a link, and without waiting should a pipe have taken its place.
pub(crate) fn open(path: &Path) -> io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    fs::OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(path)
}

/// Whether an error says that nothing is at a path.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A kind of file, for people.
pub(crate) fn kind_of(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device, pipe or socket"
    }
}
