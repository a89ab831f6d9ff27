//! Paths of SSH keys, which the file gives relative to its own place.

use std::path::{Path, PathBuf};

use barque_model::Cluster;

/// Makes the paths of all SSH keys absolute: `~/` becomes `home`, other relative paths start at `directory`, the cluster file's.
///
/// Without `home`, paths that begin with `~/` stay as they are.
pub fn resolve_key_paths(cluster: &mut Cluster, directory: &Path, home: Option<&Path>) {
    let resolve = |key: &mut Option<PathBuf>| {
        if let Some(path) = key {
            match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => *path = home.join(rest),
                (Ok(_), None) => {}
                (Err(_), _) => *path = directory.join(&*path),
            }
        }
    };
    for host in &mut cluster.hosts {
        resolve(&mut host.ssh.key);
        if let Some(jump) = &mut host.ssh.jump {
            resolve(&mut jump.key);
        }
    }
}
