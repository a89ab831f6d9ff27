//! `/etc/hosts` back to what it was: byte for byte when nobody else has changed it since, else only barque's own line.

use barque_plan::{HostsLine, Prior};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::context::HostContext;
use crate::error::HostError;
use crate::hosts_line::{HOSTS, end_line, foreign, part, read, write};
use crate::kept::kept_copy;
use crate::replace::{Temporary, sync_parent};

/// Brings the file back. Answers with a note when others have changed it since.
pub(crate) fn restore(context: &HostContext, line: &HostsLine, prior: &Prior) -> Result<Vec<String>, HostError> {
    let _guard = context.hosts_lock().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now = part(&read(context)?.unwrap_or_default(), line);
    let former = former(context, prior)?;
    let then = part(former.as_deref().unwrap_or_default(), line);
    if now.own == then.own {
        return Ok(Vec::new());
    }
    match &former {
        Some(former) if same(&now.rest, &then.rest) => {
            put_back(context, former, prior)?;
            Ok(Vec::new())
        }
        _ => {
            let mut merged = now.rest;
            if !then.own.is_empty() {
                end_line(&mut merged);
                merged.extend_from_slice(then.own.concat().as_bytes());
            }
            // Lines of barque's for other names come and go by themselves.
            let edited = former.is_none() || !same(&foreign(&merged), &foreign(&then.rest));
            let gone = merged.is_empty() && prior.is_absent();
            if gone {
                remove(context)?;
            } else {
                write(context, &merged)?;
            }
            let note = if former.is_none() {
                format!("the former text of {HOSTS} is not kept any more; only barque's line is taken out")
            } else {
                format!("{HOSTS} was changed by others since; that stays, and only barque's line goes back")
            };
            Ok(if edited { vec![note] } else { Vec::new() })
        }
    }
}

/// Says why barque's line is not as it was.
pub(crate) fn differs(context: &HostContext, line: &HostsLine, prior: &Prior) -> Result<Option<String>, HostError> {
    let now = part(&read(context)?.unwrap_or_default(), line);
    let then = part(&former(context, prior)?.unwrap_or_default(), line);
    Ok(match (now.own == then.own, then.own.is_empty()) {
        (true, _) => None,
        (false, true) => Some(format!("{HOSTS} still has the line")),
        (false, false) => Some(format!("{HOSTS} has not the line that it had")),
    })
}

/// The text before, where it is known.
fn former(context: &HostContext, prior: &Prior) -> Result<Option<Vec<u8>>, HostError> {
    match prior {
        Prior::Absent => Ok(Some(Vec::new())),
        Prior::File { digest, .. } => kept_copy(context, *digest),
        // What it leads to was only read.
        Prior::Link { target } => Ok(fs::read(led_to(context, target)).ok()),
        _ => Ok(None),
    }
}

fn led_to(context: &HostContext, target: &str) -> std::path::PathBuf {
    if target.starts_with('/') { context.path(target) } else { context.path(HOSTS).with_file_name(target) }
}

fn put_back(context: &HostContext, former: &[u8], prior: &Prior) -> Result<(), HostError> {
    match prior {
        Prior::Absent => remove(context),
        Prior::Link { target } => {
            let place = context.path(HOSTS);
            let temporary = Temporary::new(context.temporary_name(&place));
            symlink(target, temporary.path())?;
            temporary.persist(&place)?;
            sync_parent(&place)
        }
        _ => write(context, former),
    }
}

fn remove(context: &HostContext) -> Result<(), HostError> {
    let place = context.path(HOSTS);
    match fs::remove_file(&place) {
        Ok(()) => sync_parent(&place),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Equal but for the end of the last line, which barque adds where it is missing.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.strip_suffix(b"\n").unwrap_or(left) == right.strip_suffix(b"\n").unwrap_or(right)
}
