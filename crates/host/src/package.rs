//! Packages, installed from files without a network: those of the distribution by dpkg, others by [`crate::portable`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barque_event::Failure;
use barque_plan::{Archive, Observed, Package, PackageForm};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rustix::fs::FlockOperation;

use crate::binary::require_blob;
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::portable;
use crate::replace::{Attributes, make_directory, write_new};

/// The lock that dpkg's front ends hold; apt on a fresh machine may hold it for a while.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";
/// How long another front end is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);
/// Unpacking and configuring haproxy or keepalived takes seconds; slow disks get time.
pub(crate) const INSTALL_TIMEOUT: Duration = Duration::from_mins(5);
/// invoke-rc.d and deb-systemd-invoke start nothing while this says 101 (Debian's invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_TEXT: &str = "#!/bin/sh\n# Put here by barque while it installs packages, and removed afterwards.\nexit 101\n";

/// Observes packages; those of the distribution in one call of dpkg-query.
pub(crate) async fn observe(context: &HostContext, packages: &[&Package]) -> Result<Vec<Observed>, HostError> {
    let native = packages.iter().filter(|package| package.form == PackageForm::Native);
    let names: BTreeSet<&str> = native.flat_map(|package| &package.archives).map(|archive| archive.name.as_str()).collect();
    let installed = installed(&names).await?;
    let observed = |package: &&Package| {
        if package.form == PackageForm::Portable {
            return portable::observe(context, package);
        }
        let find = |archive: &Archive| installed.get(&archive.name).map(|version| (archive.name.clone(), version.clone()));
        let found: Vec<_> = package.archives.iter().filter_map(find).collect();
        Ok(if found.is_empty() { Observed::Absent } else { Observed::Package { installed: found } })
    };
    packages.iter().map(observed).collect()
}

async fn installed(names: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, HostError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let format = "--showformat=${Package}\t${Version}\t${db:Status-Abbrev}\n";
    // The status is 1 when a name is unknown to dpkg, which is an answer.
    match Command::new("dpkg-query", ["--show", format, "--"].into_iter().chain(names.iter().copied())).output().await {
        Ok(output) => Ok(parse_query(&output.stdout)),
        Err(error) if error.is_missing() => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

fn parse_query(text: &str) -> BTreeMap<String, String> {
    let fields = |line: &str| {
        let mut fields = line.split('\t');
        let (name, version, status) = (fields.next()?, fields.next()?, fields.next()?);
        // Second letter: present state (dpkg-query(1)).
        (status.as_bytes().get(1) == Some(&b'i')).then(|| (name.to_owned(), version.to_owned()))
    };
    text.lines().filter_map(fields).collect()
}

/// Installs those archives whose package is missing. Packages that are there in any version stay as they are: the host's
/// libraries are not barque's to change.
pub(crate) async fn apply(context: &HostContext, wanted: &Package) -> Result<(), HostError> {
    let _guard = context.package_lock().lock().await;
    if wanted.form == PackageForm::Portable {
        return blocking(context, wanted, portable::apply).await;
    }
    let names: BTreeSet<&str> = wanted.archives.iter().map(|archive| archive.name.as_str()).collect();
    // Wanted again, it does not go with the next package that is removed.
    context.needed_packages().retain(|name| !names.contains(name.as_str()));
    let present = installed(&names).await?;
    let missing: Vec<&Archive> = wanted.archives.iter().filter(|archive| !present.contains_key(&archive.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for archive in &missing {
        require_blob(context, archive.blob.digest, &format!("the package {}", archive.name))?;
    }
    let folder = ArchiveFolder::new(context, wanted, &missing)?;
    let lock = lock_frontend(context).await?;
    let _policy = NoServices::begin(context)?;
    let mut command = Command::new(
        "dpkg",
        ["--install", "--force-unsafe-io", "--force-confold", "--force-confdef"].into_iter().map(str::to_owned).chain(folder.files()),
    )
    .environment("DEBIAN_FRONTEND", "noninteractive")
    .timeout(INSTALL_TIMEOUT);
    if lock.is_some() {
        // We hold the front ends' lock for dpkg, as apt does.
        command = command.environment("DPKG_FRONTEND_LOCKED", "true");
    }
    match command.run().await {
        Err(error) if error.is_missing() => Err(HostError::Refused {
            message: format!("{} cannot be installed: the host has no dpkg", wanted.name),
            hint: format!("install {} by the distribution's own means, then run `barque up` again", wanted.name),
        }),
        other => Ok(other.map(drop)?),
    }
}

/// Does what takes long because it reads and writes much.
pub(crate) async fn blocking<T: Send + 'static>(
    context: &HostContext,
    wanted: &Package,
    work: impl FnOnce(&HostContext, &Package) -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let (context, wanted) = (context.clone(), wanted.clone());
    tokio::task::spawn_blocking(move || work(&context, &wanted)).await.map_err(io::Error::other)?
}

/// A folder with the archives under names that end in `.deb`, removed when it goes out of scope.
struct ArchiveFolder {
    path: PathBuf,
    names: Vec<String>,
}

impl ArchiveFolder {
    fn new(context: &HostContext, package: &Package, archives: &[&Archive]) -> Result<Self, HostError> {
        let path = context.temporary_name(&context.state("tmp").join(format!("packages-{}", package.name)));
        make_directory(&path, 0o700)?;
        let mut folder = Self { path, names: Vec::new() };
        for archive in archives {
            let name = format!("{}_{}.deb", archive.name, archive.version.replace([':', '/'], "_"));
            symlink(context.blob(archive.blob.digest), folder.path.join(&name))?;
            folder.names.push(name);
        }
        Ok(folder)
    }

    fn files(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| self.path.join(name).display().to_string())
    }
}

impl Drop for ArchiveFolder {
    fn drop(&mut self) {
        let _left_for_the_next_cleaning = fs::remove_dir_all(&self.path);
    }
}

/// Waits for the lock of dpkg's front ends; `None` on a host without dpkg's files.
pub(crate) async fn lock_frontend(context: &HostContext) -> Result<Option<fs::File>, HostError> {
    let path = context.path(LOCK);
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(None);
    }
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                let failure = Failure::new(format!("another program has held {LOCK} for {} s", LOCK_TIMEOUT.as_secs()))
                    .with_hint(format!("see who with `fuser -v {LOCK}` on the host, then run `barque up` again"))
                    .retryable();
                return Err(HostError::Failed(Box::new(failure)));
            }
            Err(error) => return Err(HostError::io("lock", &path, error)),
        }
    }
}

/// Keeps maintainer scripts from starting services with their default configuration.
pub(crate) struct NoServices(Option<PathBuf>);

impl NoServices {
    pub(crate) fn begin(context: &HostContext) -> Result<Self, HostError> {
        let path = context.path(POLICY);
        let attributes = Attributes { mode: 0o755, uid: 0, gid: 0 };
        match write_new(&path, POLICY_TEXT.as_bytes(), attributes) {
            Ok(()) => Ok(Self(Some(path))),
            Err(HostError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                // One of ours is left of a run that was killed; a foreign one stays, and decides.
                let ours = fs::read(&path).is_ok_and(|text| text == POLICY_TEXT.as_bytes());
                if ours {
                    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
                }
                Ok(Self(ours.then_some(path)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _found_by_the_next_run = fs::remove_file(path);
        }
    }
}

/// Removes what a killed run may have left: the policy file and folders of links.
pub(crate) fn clean(context: &HostContext) {
    let path = context.path(POLICY);
    if fs::read(&path).is_ok_and(|text| text == POLICY_TEXT.as_bytes()) {
        let _not_there_any_more = fs::remove_file(path);
    }
    let _not_there = fs::remove_dir_all(context.state("tmp"));
    portable::clean(context);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let found = parse_query("haproxy\t3.0.11-1\tii \nkeepalived\t1:2.3.3-1\trc \nlibnl-3-200\t3.7.0-2\thi \nlua\t\tun \n");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["haproxy", "libnl-3-200"]);
    }

    #[test]
    fn the_policy_is_removed_and_a_foreign_one_stays() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let context = HostContext::new(root.path());
        fs::create_dir_all(root.path().join("usr/sbin")).expect("a folder");
        let policy = context.path(POLICY);
        if !rustix::process::geteuid().is_root() {
            return;
        }
        drop(NoServices::begin(&context).expect("a policy"));
        assert!(!policy.exists());
        fs::write(&policy, "#!/bin/sh\nexit 0\n").expect("a foreign policy");
        drop(NoServices::begin(&context).expect("nothing to do"));
        clean(&context);
        assert!(policy.exists());
    }
}
