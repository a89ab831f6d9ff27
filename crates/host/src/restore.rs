//! Brings resources back to what they were.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_event::Failure;
use barque_model::{Digest, Owner, RunId};
use barque_plan::{Observed, Prior, Resource};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::context::HostContext;
use crate::error::HostError;
use crate::file::{UNIT_DIRECTORIES, is_absent, open};
use crate::hosts_line::{HOSTS, without_line};
use crate::marker::content_digest;
use crate::owner::Accounts;
use crate::prior::capture_prior;
use crate::replace::{Attributes, Temporary, make_parents, replace_file, sync_parent};
use crate::{image, package, resource, sysctl, unit_restore, user};

/// Brings `resource` back to `prior`. Answers with notes: what a person should know although it is no failure. Doing it twice is doing it once.
pub async fn restore(context: &HostContext, resource: &Resource, prior: &Prior, _run: &RunId) -> Result<Vec<String>, Failure> {
    let restored = match resource {
        Resource::Unit(wanted) => unit_restore::restore(context, wanted, prior).await,
        Resource::User(wanted) => user::remove(context, wanted).await,
        Resource::Package(wanted) => package::remove(context, wanted, prior).await,
        Resource::Image(wanted) => image::remove(context, wanted).await,
        Resource::Sysctl(wanted) => match prior {
            Prior::Sysctl { value } => {
                sysctl::apply(context, &barque_plan::Sysctl { value: value.clone(), required: false, ..wanted.clone() })
            }
            _ => Ok(Vec::new()),
        },
        Resource::File(_) | Resource::Binary(_) | Resource::Directory(_) | Resource::HostsLine(_) => {
            let (context, resource, prior) = (context.clone(), resource.clone(), prior.clone());
            let task = tokio::task::spawn_blocking(move || restore_path(&context, &resource, &prior));
            task.await.map_err(io::Error::other).map_err(HostError::from).and_then(|restored| restored)
        }
    };
    restored.map_err(Failure::from)
}

/// Says why `resource` is not as `prior` says, or nothing when it is.
pub async fn restored(context: &HostContext, resource: &Resource, prior: &Prior) -> Result<Option<String>, HostError> {
    let observed = resource::observe(context, resource).await?;
    let is = |same: bool, what: &str| Ok((!same).then(|| what.to_owned()));
    match (resource, prior) {
        // What cannot be brought back is said before the rollback begins.
        (_, Prior::Other { .. }) => Ok(None),
        (Resource::Unit(_), prior) => Ok(unit_restore::differs(&observed, prior)),
        (Resource::User(_), Prior::User) => Ok(None),
        (Resource::User(_), _) => is(observed == Observed::Absent, "the user is still there"),
        (Resource::Package(wanted), prior) => Ok(package::remaining(wanted, &observed, prior)),
        (Resource::Image(_), Prior::Absent) => is(observed == Observed::Absent, "the image is still there"),
        (Resource::Image(_), _) => Ok(None),
        (Resource::Sysctl(_), Prior::Sysctl { value }) => match &observed {
            Observed::Sysctl { value: present, writable } => is(!writable || present == value, "the parameter has another value"),
            _ => Ok(None),
        },
        (Resource::Sysctl(_), _) => Ok(None),
        (Resource::HostsLine(line), prior) => {
            let context = context.clone();
            let (line, prior) = (line.clone(), prior.clone());
            // Others may have changed the file meanwhile: then only our line has to be gone.
            let task = tokio::task::spawn_blocking(move || {
                let text = fs::read_to_string(context.path(HOSTS)).unwrap_or_default();
                let same = matches!(&prior, Prior::File { digest, .. } if Digest::of(text.as_bytes()) == *digest);
                same || without_line(&text, &line).is_none()
            });
            is(task.await.map_err(io::Error::other)?, "/etc/hosts still has the line")
        }
        (Resource::File(_) | Resource::Binary(_) | Resource::Directory(_), prior) => path_differs(context, resource, &observed, prior),
    }
}

fn path_differs(context: &HostContext, resource: &Resource, observed: &Observed, prior: &Prior) -> Result<Option<String>, HostError> {
    // A folder that others have filled stays; the note of the step says so.
    if let (Resource::Directory(directory), Prior::Absent) = (resource, prior) {
        let empty = fs::read_dir(context.path(&directory.path)).is_ok_and(|mut entries| entries.next().is_none());
        return Ok(empty.then(|| "the folder is still there".to_owned()));
    }
    let now = match (resource, observed) {
        // Copies nothing: the digest is all that is needed.
        (Resource::File(file), _) => present(context, &file.path)?,
        (Resource::Binary(binary), _) => present(context, &binary.path)?,
        _ => capture_prior(context, resource, observed)?,
    };
    Ok(if now == *prior { None } else { Some("it is not as it was".to_owned()) })
}

/// What is at a path, without a copy of it.
fn present(context: &HostContext, path: &str) -> Result<Prior, HostError> {
    let place = context.path(path);
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Prior::Absent),
        Err(error) => return Err(error.into()),
    };
    if metadata.is_symlink() {
        return Ok(Prior::Link { target: fs::read_link(&place)?.display().to_string() });
    }
    if !metadata.is_file() {
        return Ok(Prior::Other { what: "something else".to_owned() });
    }
    let (mode, owner) = (metadata.permissions().mode() & 0o7777, Accounts::read(context).owner(&metadata));
    Ok(Prior::File { digest: content_digest(open(&place)?)?.raw, mode, owner })
}

fn restore_path(context: &HostContext, resource: &Resource, prior: &Prior) -> Result<Vec<String>, HostError> {
    match (resource, prior) {
        (Resource::HostsLine(line), prior) => restore_hosts(context, line, prior),
        (Resource::Directory(directory), prior) => restore_directory(context, &directory.path, prior),
        (Resource::File(barque_plan::File { path, .. }) | Resource::Binary(barque_plan::Binary { path, .. }), prior) => {
            restore_entry(context, path, prior)?;
            if UNIT_DIRECTORIES.iter().any(|directory| path.starts_with(directory)) {
                context.mark_units_changed();
            }
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

fn restore_entry(context: &HostContext, path: &str, prior: &Prior) -> Result<(), HostError> {
    let place = context.path(path);
    match prior {
        Prior::Absent => match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => Err(HostError::Refused {
                message: format!("a directory is in the place of `{path}`"),
                hint: format!("look at it and move it away with `mv {path} {path}.old` on the host, then run it again"),
            }),
            Ok(_) => {
                fs::remove_file(&place)?;
                sync_parent(&place)
            }
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error.into()),
        },
        Prior::File { digest, mode, owner } => {
            let content = kept_copy(context, *digest)?.ok_or_else(|| pruned(path, *digest))?;
            let (uid, gid) = Accounts::read(context).ids(owner)?;
            replace_file(context, &place, &content, Attributes { mode: *mode, uid, gid }).map_err(|error| error.or_no_space(context, path))
        }
        Prior::Link { target } => {
            make_parents(&place)?;
            let temporary = Temporary::new(context.temporary_name(&place));
            symlink(target, temporary.path())?;
            temporary.persist(&place)?;
            sync_parent(&place)
        }
        _ => Ok(()),
    }
}

fn pruned(path: &str, digest: Digest) -> HostError {
    HostError::Refused {
        message: format!("the former content of `{path}` ({}) is not kept any more", digest.short()),
        hint: "older generations are pruned; restore the file from a backup of the host".to_owned(),
    }
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
        hint: "restore the file from a backup of the host; something wrote to barque's own folder".to_owned(),
    })
}

fn restore_directory(context: &HostContext, path: &str, prior: &Prior) -> Result<Vec<String>, HostError> {
    let place = context.path(path);
    match prior {
        Prior::Absent => match fs::remove_dir(&place) {
            Ok(()) => {
                sync_parent(&place)?;
                Ok(Vec::new())
            }
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty || error.kind() == io::ErrorKind::ResourceBusy => {
                Ok(vec![format!("{path} stays: it holds what others put there")])
            }
            Err(error) => Err(error.into()),
        },
        Prior::Directory { mode, owner } => {
            set_attributes(context, &place, *mode, owner)?;
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

fn set_attributes(context: &HostContext, place: &Path, mode: u32, owner: &Owner) -> Result<(), HostError> {
    let (uid, gid) = Accounts::read(context).ids(owner)?;
    let directory = match fs::File::open(place) {
        Ok(directory) => directory,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    std::os::unix::fs::fchown(&directory, Some(uid), Some(gid)).map_err(|error| HostError::io("change the owner of", place, error))?;
    directory.set_permissions(std::fs::Permissions::from_mode(mode))?;
    sync_parent(place)
}

/// The whole file when nobody else has changed it since, else only our line is taken out.
fn restore_hosts(context: &HostContext, line: &barque_plan::HostsLine, prior: &Prior) -> Result<Vec<String>, HostError> {
    let _guard = context.hosts_lock().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = context.path(HOSTS);
    let present = match fs::read_to_string(&place) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let Some(without) = without_line(&present, line) else { return Ok(Vec::new()) };
    let former = match prior {
        Prior::File { digest, .. } => kept_copy(context, *digest)?,
        Prior::Absent => Some(Vec::new()),
        _ => None,
    };
    let (content, notes) = match former {
        Some(former) if without_line(&String::from_utf8_lossy(&former), line).is_none() && same_lines(&former, &without) => {
            (former, Vec::new())
        }
        // A former state of ours with another address, and nothing else differs.
        Some(former) if without_line(&String::from_utf8_lossy(&former), line).is_some_and(|rest| rest == without) => (former, Vec::new()),
        _ => (without.into_bytes(), vec![format!("{HOSTS} was changed by others since; only barque's line is taken out")]),
    };
    if content.is_empty() && prior.is_absent() {
        fs::remove_file(&place)?;
        sync_parent(&place)?;
        return Ok(notes);
    }
    crate::hosts_line::write(context, &content)?;
    Ok(notes)
}

fn same_lines(former: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(former).lines().eq(text.lines())
}
