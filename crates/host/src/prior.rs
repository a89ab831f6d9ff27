//! What undo needs: the state before a change, with a copy of the content that is about to go.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_model::Digest;
use barque_plan::{Observed, Prior, Resource, UnitState};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::context::HostContext;
use crate::error::HostError;
use crate::file::{is_absent, kind_of, open};
use crate::hosts_line::HOSTS;
use crate::marker::content_digest;
use crate::owner::Accounts;
use crate::replace::{Temporary, make_directory, sync_parent};
use crate::user;

/// Captures what is about to be changed. Copies are on disk when this returns.
pub fn capture_prior(context: &HostContext, resource: &Resource, observed: &Observed) -> Result<Prior, HostError> {
    match resource {
        Resource::File(file) => capture_path(context, &file.path),
        Resource::Binary(binary) => capture_path(context, &binary.path),
        Resource::Directory(directory) => match observed {
            // Through a link to one too, whose mode and owner are what changes.
            Observed::Directory { mode, owner } => Ok(Prior::Directory { mode: *mode, owner: owner.clone() }),
            _ => capture_path(context, &directory.path),
        },
        Resource::HostsLine(_) => capture_path(context, HOSTS),
        // To add what is missing of it does not make it barque's to remove.
        Resource::User(wanted) if *observed == Observed::Absent => {
            let half = user::half(&Accounts::read(context), wanted);
            Ok(half.map_or(Prior::Absent, |what| Prior::Other { what: what.to_owned() }))
        }
        Resource::Unit(_) | Resource::User(_) | Resource::Sysctl(_) | Resource::Package(_) | Resource::Image(_) => {
            Ok(match observed.clone() {
                // To go back is to run with the inputs that it was started with, though they may have been changed a moment ago.
                Observed::Unit(state) => {
                    Prior::Unit { state: UnitState { fingerprint: started_with(context, resource).or(state.fingerprint), ..state } }
                }
                Observed::User => Prior::User,
                Observed::Sysctl { value, .. } => Prior::Sysctl { value },
                Observed::Package { installed } => Prior::Package { installed },
                Observed::Image { digest } => Prior::Image { digest },
                Observed::Other { what } => Prior::Other { what },
                Observed::Absent | Observed::Directory { .. } | Observed::File { .. } | Observed::Binary { .. } | Observed::HostsLine => {
                    Prior::Absent
                }
            })
        }
    }
}

fn started_with(context: &HostContext, resource: &Resource) -> Option<Digest> {
    let Resource::Unit(unit) = resource else { return None };
    crate::unit::started_with(context, unit)
}

fn capture_path(context: &HostContext, path: &str) -> Result<Prior, HostError> {
    let place = context.path(path);
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Prior::Absent),
        Err(error) => return Err(error.into()),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let owner = Accounts::read(context).owner(&metadata);
    Ok(if metadata.is_file() {
        Prior::File { digest: save_copy(context, &place).map_err(|error| error.or_no_space(context, "/var/lib/barque"))?, mode, owner }
    } else if metadata.is_symlink() {
        Prior::Link { target: fs::read_link(&place)?.display().to_string() }
    } else if metadata.is_dir() {
        Prior::Directory { mode, owner }
    } else {
        Prior::Other { what: kind_of(metadata.file_type()).to_owned() }
    })
}

/// Copies a file to `/var/lib/barque/prior/<digest>`, readable by root only whatever the mode it had.
fn save_copy(context: &HostContext, path: &Path) -> Result<Digest, HostError> {
    let directory = context.state("prior");
    make_directory(&directory, 0o700)?;
    let digest = content_digest(open(path)?)?.raw;
    let copy = directory.join(digest.to_string());
    if copy.is_file() {
        return Ok(digest);
    }
    let temporary = Temporary::new(context.temporary_name(&copy));
    let mut target = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary.path())?;
    io::copy(&mut open(path)?, &mut target)?;
    target.flush()?;
    target.sync_all()?;
    if content_digest(fs::File::open(temporary.path())?)?.raw != digest {
        return Err(HostError::Refused {
            message: format!("`{}` changed while it was copied", path.display()),
            hint: "find out what else writes to it, then run `barque up` again".to_owned(),
        });
    }
    temporary.persist(&copy)?;
    sync_parent(&copy)?;
    Ok(digest)
}
