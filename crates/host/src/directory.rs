//! Directories.

use std::os::unix::fs::PermissionsExt as _;

use barque_plan::{Directory, Observed};
use fs_err as fs;

use crate::context::HostContext;
use crate::error::HostError;
use crate::file::{is_absent, kind_of};
use crate::owner::Accounts;
use crate::replace::{make_directory, sync_parent};

/// Observes the directory. A link to a directory counts as one: people put `/var/lib/etcd` on another disk that way.
pub(crate) fn observe(context: &HostContext, accounts: &Accounts, wanted: &Directory) -> Result<Observed, HostError> {
    let path = context.path(&wanted.path);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            Ok(Observed::Directory { mode: metadata.permissions().mode() & 0o7777, owner: accounts.owner(&metadata) })
        }
        Ok(metadata) => Ok(Observed::Other { what: kind_of(metadata.file_type()).to_owned() }),
        Err(error) if is_absent(&error) && fs::symlink_metadata(&path).is_ok() => {
            Ok(Observed::Other { what: "a link that leads nowhere".to_owned() })
        }
        Err(error) if is_absent(&error) => Ok(Observed::Absent),
        Err(error) => Err(error.into()),
    }
}

/// Makes the directory, and those that lead to it with mode 0755.
pub(crate) fn apply(context: &HostContext, wanted: &Directory) -> Result<(), HostError> {
    let path = context.path(&wanted.path);
    let (uid, gid) = Accounts::read(context).ids(&wanted.owner)?;
    if fs::symlink_metadata(&path).is_ok() && !path.is_dir() {
        return Err(HostError::Refused {
            message: format!("something else is in the place of the directory `{}`", wanted.path),
            hint: format!("look at it and move it away with `mv {0} {0}.old` on the host", wanted.path),
        });
    }
    let made = !path.exists();
    // Nobody but root enters before the owner is right.
    make_directory(&path, if made { wanted.mode & 0o700 } else { wanted.mode })
        .map_err(|error| error.or_no_space(context, &wanted.path))?;
    let directory = fs::File::open(&path)?;
    std::os::unix::fs::fchown(&directory, Some(uid), Some(gid)).map_err(|error| HostError::io("change the owner of", &path, error))?;
    directory.set_permissions(std::fs::Permissions::from_mode(wanted.mode))?;
    sync_parent(&path)
}
