//! barque's own folders on a host.

use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;

use crate::context::{HostContext, STATE_DIRECTORY};
use crate::error::HostError;
use crate::package;
use crate::replace::make_directory;

/// Makes barque's folders, whatever the umask, and removes what a killed run may have left in the system.
///
/// The way into the store is open to all: etcd runs as a user of its own and its program is a link into it. The rest is root's.
pub fn prepare(context: &HostContext) -> Result<(), HostError> {
    for (path, mode) in [
        (context.path(STATE_DIRECTORY), 0o755),
        (context.store(), 0o755),
        (context.store().join("index"), 0o700),
        (context.state("journal"), 0o700),
        (context.state("prior"), 0o700),
        (context.state("units"), 0o700),
        (context.state("images"), 0o700),
    ] {
        make_directory(&path, mode)?;
        if fs::metadata(&path)?.permissions().mode() & 0o7777 != mode {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        }
    }
    package::clean(context);
    Ok(())
}
