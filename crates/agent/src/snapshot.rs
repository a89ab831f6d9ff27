//! A verified copy of etcd's data, before something touches etcd.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barque_event::Failure;
use barque_host::{Command, HostContext};
use barque_model::RunId;
use fs_err as fs;
use serde::Deserialize;

use crate::SnapshotInfo;
use crate::etcd::identity;

/// This host's member.
const ENDPOINT: &str = "https://127.0.0.1:2379";
/// A database has 8 GiB at most by etcd's own advice; a slow disk writes 30 MiB a second.
const TIMEOUT: Duration = Duration::from_mins(5);
/// Snapshots that a host keeps.
const KEPT: usize = 5;
const SUFFIX: &str = ".db";

/// `etcdutl snapshot status --write-out=json`.
#[derive(Debug, Deserialize)]
struct Status {
    revision: u64,
    #[serde(rename = "totalKey")]
    keys: u64,
    #[serde(rename = "totalSize")]
    bytes: u64,
}

/// Saves a snapshot for `run` and verifies it; one that the run has already is verified and used.
pub(crate) async fn save(context: &HostContext, run: &RunId) -> Result<SnapshotInfo, Failure> {
    let directory = context.state("snapshots");
    private_directory(&directory).map_err(failed)?;
    let path = directory.join(format!("{run}{SUFFIX}"));
    if path.is_file()
        && let Ok(status) = verified(&path).await
    {
        return Ok(told(run, &status));
    }
    let incoming = directory.join(format!(".{run}.incoming"));
    for left_behind in [incoming.clone(), directory.join(format!(".{run}.incoming.part"))] {
        let _may_not_exist = fs::remove_file(left_behind);
    }
    let mut arguments = vec!["snapshot".to_owned(), "save".to_owned(), incoming.display().to_string(), format!("--endpoints={ENDPOINT}")];
    arguments.extend(identity(context));
    Command::new("etcdctl", arguments).timeout(TIMEOUT).run().await.map_err(|error| {
        Failure { unit: Some("etcd.service".into()), ..error.into() }
            .with_hint("see whether etcd is healthy (`barque status`) and whether there is space (`df -h /var/lib/barque` on the host)")
    })?;
    let status = match verified(&incoming).await {
        Ok(status) => status,
        Err(failure) => {
            let _best_effort = fs::remove_file(&incoming);
            return Err(failure);
        }
    };
    keep(&incoming, &path).map_err(failed)?;
    prune(context).map_err(failed)?;
    Ok(told(run, &status))
}

fn told(run: &RunId, status: &Status) -> SnapshotInfo {
    let path = format!("{}/snapshots/{run}{SUFFIX}", barque_host::STATE_DIRECTORY);
    SnapshotInfo { path, bytes: status.bytes, revision: status.revision, keys: status.keys }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the snapshot of etcd's data cannot be kept: {error}")).with_hint("look at `df -h /var/lib/barque` on the host")
}

async fn verified(path: &Path) -> Result<Status, Failure> {
    let command = Command::new("etcdutl", ["snapshot", "status", &path.display().to_string(), "--write-out=json"]).timeout(TIMEOUT);
    let output = command.run().await?;
    parse(&output.stdout).ok_or_else(|| {
        let output = output.stdout.lines().map(str::to_owned).collect();
        Failure { command: Some(command.line()), output, ..Failure::new("the snapshot of etcd's data cannot be verified") }
    })
}

fn parse(text: &str) -> Option<Status> {
    serde_json::from_str(text.lines().find(|line| line.starts_with('{'))?).ok()
}

/// A folder that only root can look into.
fn private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Gives the snapshot its name, once it is on disk.
fn keep(incoming: &Path, path: &Path) -> io::Result<()> {
    fs::set_permissions(incoming, std::fs::Permissions::from_mode(0o600))?;
    fs::File::open(incoming)?.sync_all()?;
    fs::rename(incoming, path)?;
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}

/// Removes all but the newest snapshots. Blocks.
pub(crate) fn prune(context: &HostContext) -> io::Result<()> {
    let entries = match fs::read_dir(context.state("snapshots")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut kept: Vec<(RunId, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        kept.extend(run.map(|run| (run, entry.path())));
    }
    kept.sort();
    for (_, path) in kept.iter().rev().skip(KEPT) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = parse("{\"hash\":3416132,\"revision\":1234,\"totalKey\":567,\"totalSize\":20480,\"version\":\"3.6.0\"}\n").unwrap();
        assert_eq!((status.revision, status.keys, status.bytes), (1234, 567, 20480));
        assert!(parse("Error: snapshot file is corrupt").is_none());
    }

    #[test]
    fn the_newest_stay() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        prune(&context).unwrap();
        let directory = context.state("snapshots");
        fs::create_dir_all(&directory).unwrap();
        let name = |number: usize| directory.join(format!("20261125T02030{number}Z-0000.db"));
        for number in 0..8 {
            fs::write(name(number), "x").unwrap();
        }
        fs::write(directory.join("mine.db"), "x").unwrap();
        prune(&context).unwrap();
        let there: Vec<usize> = (0..8).filter(|number| name(*number).is_file()).collect();
        assert_eq!(there, [3, 4, 5, 6, 7]);
        assert!(directory.join("mine.db").is_file(), "what is not barque's is left alone");
    }

    #[test]
    fn a_kept_snapshot_is_readable_by_root_only() {
        let root = tempfile::tempdir().unwrap();
        let (directory, incoming) = (root.path().join("snapshots"), root.path().join("snapshots/.x"));
        private_directory(&directory).unwrap();
        fs::write(&incoming, "x").unwrap();
        keep(&incoming, &directory.join("x.db")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&directory), mode(&directory.join("x.db"))), (0o700, 0o600));
    }
}
