//! Files of this machine that a cluster file names.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use barque_model::SecretBytes;
use barque_spec::{FileFault, OperatorFile, OperatorFiles};

/// Longest file that is read: 1 MiB. The certificates of all public authorities together are a quarter of it.
const LONGEST: u64 = 1 << 20;

/// Reads files from disk.
pub(crate) struct DiskFiles<'paths> {
    directory: &'paths Path,
    home: Option<&'paths Path>,
}

impl<'paths> DiskFiles<'paths> {
    /// Relative paths start at the folder of `cluster_file`, `~/` is `home`.
    pub(crate) fn beside(cluster_file: &'paths Path, home: Option<&'paths Path>) -> Self {
        Self { directory: cluster_file.parent().unwrap_or(Path::new("")), home }
    }

    fn place(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.directory.join(path),
        }
    }
}

impl OperatorFiles for DiskFiles<'_> {
    fn read(&self, path: &str) -> Result<OperatorFile, FileFault> {
        let place = self.place(path);
        let shown = place.display().to_string();
        read(&place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileFault::Missing { path: shown },
            // The path is in the message already.
            kind => FileFault::Unreadable { path: shown, reason: kind.to_string() },
        })
    }
}

fn read(place: &Path) -> io::Result<OperatorFile> {
    let file = fs_err::File::open(place)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Room for all at once: a buffer that grows would leave copies of a password behind.
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(LONGEST).read_to_end(&mut content)?;
    Ok(OperatorFile { content: SecretBytes::new(content), mode: metadata.permissions().mode() & 0o7777 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_start_at_the_cluster_file_or_the_home_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("ca.pem"), "beside").unwrap();
        fs_err::write(home.path().join("password"), "at home").unwrap();
        fs_err::set_permissions(home.path().join("password"), std::fs::Permissions::from_mode(0o640)).unwrap();
        let cluster_file = folder.path().join("cluster.yaml");
        let files = DiskFiles::beside(&cluster_file, Some(home.path()));
        assert_eq!(files.read("ca.pem").unwrap().content.expose(), b"beside");
        let password = files.read("~/password").unwrap();
        assert_eq!((password.content.expose(), password.mode), (&b"at home"[..], 0o640));
        let absolute = home.path().join("password").display().to_string();
        assert_eq!(files.read(&absolute).unwrap(), password);
    }

    #[test]
    fn what_cannot_be_had_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let cluster_file = folder.path().join("cluster.yaml");
        let files = DiskFiles::beside(&cluster_file, None);
        assert!(matches!(files.read("none").unwrap_err(), FileFault::Missing { path } if path.ends_with("/none")));
        assert!(matches!(files.read(".").unwrap_err(), FileFault::Unreadable { reason, .. } if reason.contains("directory")));
        fs_err::write(folder.path().join("long"), vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(matches!(files.read("long").unwrap_err(), FileFault::Unreadable { .. }));
    }
}
