//! Copies of folders of Go's module cache, which is read-only and in which nothing is executable.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;

/// Copies a folder with all below it; `mode` answers the permissions of the copy of a file.
pub(super) fn copy_folder(from: &Path, to: &Path, mode: fn(&Path) -> u32) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target, mode)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, std::fs::Permissions::from_mode(mode(&entry.path())))?;
        }
    }
    Ok(())
}
