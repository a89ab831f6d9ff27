//! Files, links and directories back to what they were.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_model::{Digest, Owner};
use barque_plan::Prior;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::blob::{BlobState, blob_state};
use crate::context::{HostContext, STORE_DIRECTORY};
use crate::error::HostError;
use crate::file::{UNIT_DIRECTORIES, is_absent, kind_of, open};
use crate::kept::kept_copy;
use crate::marker::content_digest;
use crate::owner::Accounts;
use crate::replace::{Attributes, Temporary, make_directory, make_parents, replace_file, sync_parent};
use crate::sweep::is_mount_point;

/// What lies at a path, without a copy of it.
fn present(context: &HostContext, place: &Path) -> Result<Prior, HostError> {
    let metadata = match fs::symlink_metadata(place) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Prior::Absent),
        Err(error) => return Err(error.into()),
    };
    let (mode, owner) = (metadata.permissions().mode() & 0o7777, Accounts::read(context).owner(&metadata));
    Ok(if metadata.is_symlink() {
        Prior::Link { target: fs::read_link(place)?.display().to_string() }
    } else if metadata.is_file() {
        Prior::File { digest: content_digest(open(place)?)?.raw, mode, owner }
    } else if metadata.is_dir() {
        Prior::Directory { mode, owner }
    } else {
        Prior::Other { what: kind_of(metadata.file_type()).to_owned() }
    })
}

/// Whether barque can have changed something that was `prior` at the path of a file or program: it refuses where a directory is.
const fn is_entry(prior: &Prior) -> bool {
    matches!(prior, Prior::Absent | Prior::File { .. } | Prior::Link { .. })
}

/// Says why a file or link is not as it was.
pub(crate) fn entry_differs(context: &HostContext, path: &str, prior: &Prior) -> Result<Option<String>, HostError> {
    let now = present(context, &context.path(path))?;
    if !is_entry(prior) || now == *prior {
        return Ok(None);
    }
    Ok(Some(match (&now, prior) {
        (_, Prior::Absent) => "it is still there".to_owned(),
        (Prior::Absent, _) => "it is not there".to_owned(),
        (Prior::File { digest, .. }, Prior::File { digest: former, .. }) if digest != former => "its content is not as it was".to_owned(),
        (Prior::File { mode, .. }, Prior::File { mode: former, .. }) if mode != former => {
            format!("its mode is {mode:04o} and was {former:04o}")
        }
        (Prior::File { owner, .. }, Prior::File { owner: former, .. }) => {
            format!("its owner is {}:{} and was {}:{}", owner.user, owner.group, former.user, former.group)
        }
        (Prior::Link { target }, Prior::Link { target: former }) => format!("it leads to {target} and led to {former}"),
        _ => "something of another kind is in its place".to_owned(),
    }))
}

/// Brings a file or link back. A directory in its place is never removed.
pub(crate) fn entry(context: &HostContext, path: &str, prior: &Prior) -> Result<(), HostError> {
    let place = context.path(path);
    let now = present(context, &place)?;
    if !is_entry(prior) || now == *prior {
        return Ok(());
    }
    if matches!(now, Prior::Directory { .. }) {
        return Err(HostError::Refused {
            message: format!("a directory is in the place of `{path}`"),
            hint: format!("look at it and move it away with `mv {path} {path}.old` on the host, then run the same command again"),
        });
    }
    match prior {
        Prior::Absent => {
            fs::remove_file(&place)?;
            sync_parent(&place)?;
        }
        Prior::File { digest, mode, owner } => {
            let (uid, gid) = Accounts::read(context).ids(owner)?;
            let attributes = Attributes { mode: *mode, uid, gid };
            // Content that is as it was needs no copy.
            if matches!(&now, Prior::File { digest: present, .. } if present == digest) {
                set_attributes(&open(&place)?, &place, attributes)?;
            } else {
                let content = kept_copy(context, *digest)?.ok_or_else(|| not_kept("content", path, *digest))?;
                replace_file(context, &place, &content, attributes).map_err(|error| error.or_no_space(context, path))?;
            }
        }
        Prior::Link { target } => {
            let stored = Path::new(target).strip_prefix(STORE_DIRECTORY).ok().and_then(|name| name.to_str()?.parse::<Digest>().ok());
            if let Some(digest) = stored
                && blob_state(context, digest)? != BlobState::Intact
            {
                return Err(not_kept("program", path, digest));
            }
            make_parents(&place)?;
            let temporary = Temporary::new(context.temporary_name(&place));
            symlink(target, temporary.path())?;
            temporary.persist(&place)?;
            sync_parent(&place)?;
        }
        _ => {}
    }
    if UNIT_DIRECTORIES.iter().any(|directory| path.starts_with(directory)) {
        context.mark_units_changed();
    }
    Ok(())
}

fn not_kept(what: &str, path: &str, digest: Digest) -> HostError {
    HostError::Refused {
        message: format!("the former {what} of `{path}` ({}) is not kept on the host any more", digest.short()),
        hint: "what old runs need is pruned: restore it from a backup of the host, or leave that run as it is (`barque runs` lists what can be taken back)".to_owned(),
    }
}

fn set_attributes(file: &fs::File, place: &Path, attributes: Attributes) -> Result<(), HostError> {
    std::os::unix::fs::fchown(file, Some(attributes.uid), Some(attributes.gid))
        .map_err(|error| HostError::io("change the owner of", place, error))?;
    file.set_permissions(std::fs::Permissions::from_mode(attributes.mode))?;
    file.sync_all()?;
    Ok(())
}

/// What is at the path of a directory; a link to one counts as one, as it does for observing.
fn present_directory(context: &HostContext, place: &Path) -> Result<Option<(u32, Owner)>, HostError> {
    match fs::metadata(place) {
        Ok(metadata) if metadata.is_dir() => Ok(Some((metadata.permissions().mode() & 0o7777, Accounts::read(context).owner(&metadata)))),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says why a directory is not as it was. One that others have filled, or made a file system of its own, stays: the step's note says so.
pub(crate) fn directory_differs(context: &HostContext, path: &str, prior: &Prior) -> Result<Option<String>, HostError> {
    let place = context.path(path);
    match prior {
        Prior::Absent => {
            let is_plain = fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_dir());
            let removable = is_plain && fs::read_dir(&place)?.next().is_none() && !is_mount_point(&place);
            Ok(removable.then(|| "the folder is still there".to_owned()))
        }
        Prior::Directory { mode, owner } => Ok(match present_directory(context, &place)? {
            None => Some("the folder is not there".to_owned()),
            Some((now, _)) if now != *mode => Some(format!("its mode is {now:04o} and was {mode:04o}")),
            Some((_, now)) if now != *owner => {
                Some(format!("its owner is {}:{} and was {}:{}", now.user, now.group, owner.user, owner.group))
            }
            Some(_) => None,
        }),
        _ => Ok(None),
    }
}

/// Brings a directory back: it goes when it was not there and is empty, else it has its former mode and owner.
pub(crate) fn directory(context: &HostContext, path: &str, prior: &Prior) -> Result<Vec<String>, HostError> {
    let place = context.path(path);
    match prior {
        Prior::Absent => match fs::remove_dir(&place) {
            Ok(()) => {
                sync_parent(&place)?;
                Ok(Vec::new())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let there = fs::symlink_metadata(&place).is_ok();
                Ok(if there { vec![format!("{path} stays: somebody put something else in its place")] } else { Vec::new() })
            }
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(vec![format!("{path} stays: it is not empty")]),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(vec![format!("{path} stays: it is a file system of its own")]),
            Err(error) => Err(error.into()),
        },
        Prior::Directory { mode, owner } => {
            let (uid, gid) = Accounts::read(context).ids(owner)?;
            if present_directory(context, &place)?.is_none() {
                // Nobody but root enters before the owner is right.
                make_directory(&place, mode & 0o700).map_err(|error| error.or_no_space(context, path))?;
            }
            set_attributes(&fs::File::open(&place)?, &place, Attributes { mode: *mode, uid, gid })?;
            sync_parent(&place)?;
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}
