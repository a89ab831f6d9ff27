//! Packages that bring all their libraries, for hosts whose distribution barque has no packages for: a folder each, and links to its programs.

use std::io;
use std::path::{Component, Path, PathBuf};

use barque_model::{PORTABLE_FOLDER, PORTABLE_LINKS, PORTABLE_STAMP};
use barque_plan::{Archive, Observed, Package, Prior};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::binary::require_blob;
use crate::context::HostContext;
use crate::error::HostError;
use crate::file::is_absent;
use crate::replace::{Temporary, make_directory, make_parents, sync_parent};

/// Begins the name of a folder that is not whole yet.
const PARTIAL: &str = ".new-";
/// Digits of the key in a folder's name.
const KEY_DIGITS: usize = 12;

/// A folder on the host that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    /// Its name.
    folder: String,
    /// The version in its stamp.
    version: String,
}

impl Installed {
    /// The link target for a program.
    fn target(&self, program: &str) -> PathBuf {
        Path::new(PORTABLE_FOLDER).join(&self.folder).join("sbin").join(program)
    }

    fn programs(&self, context: &HostContext) -> io::Result<Vec<String>> {
        let folder = context.path(PORTABLE_FOLDER).join(&self.folder).join("sbin");
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Whether each of its programs is called from the usual place.
    fn is_linked(&self, context: &HostContext) -> bool {
        let linked = |program: &String| fs::read_link(link(context, program)).is_ok_and(|target| target == self.target(program));
        self.programs(context).is_ok_and(|programs| !programs.is_empty() && programs.iter().all(linked))
    }
}

fn link(context: &HostContext, program: &str) -> PathBuf {
    context.path(PORTABLE_LINKS).join(program)
}

/// The folder of an archive: its name, and the key that its version ends with.
fn folder_of(archive: &Archive) -> Result<String, HostError> {
    let key = archive.version.rsplit_once('+').map_or("", |(_, key)| key);
    let folder = format!("{}-{key}", archive.name);
    if is_folder_of(&folder, &archive.name) {
        return Ok(folder);
    }
    Err(HostError::Refused {
        message: format!("the version {} of the package {} does not end with a key", archive.version, archive.name),
        hint: "the bundle is damaged: make it anew with `barque bundle create`".to_owned(),
    })
}

fn is_folder_of(folder: &str, package: &str) -> bool {
    let key = folder.strip_prefix(package).and_then(|rest| rest.strip_prefix('-'));
    key.is_some_and(|key| key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// All folders of a package, by name.
fn installed(context: &HostContext, package: &str) -> io::Result<Vec<Installed>> {
    let mut found = Vec::new();
    for folder in entries(context)?.into_iter().filter(|folder| is_folder_of(folder, package)) {
        let stamp = fs::read_to_string(context.path(PORTABLE_FOLDER).join(&folder).join(PORTABLE_STAMP)).unwrap_or_default();
        // Without a stamp it is somebody else's, or half of ours.
        if let Some(version) = stamp.trim().strip_prefix(package).and_then(|rest| rest.strip_prefix(' ')) {
            found.push(Installed { folder, version: version.to_owned() });
        }
    }
    found.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok(found)
}

fn entries(context: &HostContext) -> io::Result<Vec<String>> {
    match fs::read_dir(context.path(PORTABLE_FOLDER)) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The version that is called from the usual place.
fn current(context: &HostContext, package: &str) -> io::Result<Option<Installed>> {
    Ok(installed(context, package)?.into_iter().find(|installed| installed.is_linked(context)))
}

/// Observes a package.
pub(crate) fn observe(context: &HostContext, wanted: &Package) -> Result<Observed, HostError> {
    let mut found = Vec::new();
    for archive in &wanted.archives {
        found.extend(current(context, &archive.name)?.map(|installed| (archive.name.clone(), installed.version)));
    }
    Ok(if found.is_empty() { Observed::Absent } else { Observed::Package { installed: found } })
}

/// Unpacks what is missing, and links its programs. What was linked before stays beside it for a rollback; what is older goes.
pub(crate) fn apply(context: &HostContext, wanted: &Package) -> Result<(), HostError> {
    for archive in &wanted.archives {
        let folder = folder_of(archive)?;
        let before = current(context, &archive.name)?;
        let is_whole = installed(context, &archive.name)?.iter().any(|installed| installed.folder == folder);
        if !is_whole {
            require_blob(context, archive.blob.digest, &format!("the package {}", archive.name))?;
            unpack(context, archive, &folder)?;
        }
        let new = Installed { folder, version: archive.version.clone() };
        relink(context, &new)?;
        // A link that is put right is no reason to forget the former version.
        let others = if is_whole { Vec::new() } else { installed(context, &archive.name)? };
        for old in others {
            if old.folder != new.folder && before.as_ref().is_none_or(|before| before.folder != old.folder) {
                fs::remove_dir_all(context.path(PORTABLE_FOLDER).join(&old.folder))?;
            }
        }
    }
    Ok(())
}

fn unpack(context: &HostContext, archive: &Archive, folder: &str) -> Result<(), HostError> {
    let place = context.path(PORTABLE_FOLDER);
    let target = place.join(folder);
    if fs::symlink_metadata(&target).is_ok() {
        // Without a stamp, or `installed` had found it: half of what a run before wrote, or of no use.
        fs::remove_dir_all(&target)?;
    }
    make_parents(&target)?;
    let partial = PartialFolder(place.join(format!("{PARTIAL}{folder}")));
    let _nothing_there = fs::remove_dir_all(&partial.0);
    make_directory(&partial.0, 0o755)?;
    let mut tar = tar::Archive::new(io::BufReader::new(fs::File::open(context.blob(archive.blob.digest))?));
    tar.set_preserve_mtime(false);
    tar.set_preserve_permissions(true);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let within = path.components().next() == Some(Component::Normal(folder.as_ref()));
        let plain = matches!(entry.header().entry_type(), tar::EntryType::Regular | tar::EntryType::Directory);
        if !within || !plain || !entry.unpack_in(&partial.0)? {
            return Err(HostError::Refused {
                message: format!("the package {} has `{}` in it, which is not to be unpacked", archive.name, path.display()),
                hint: "the bundle is damaged: make it anew with `barque bundle create`".to_owned(),
            });
        }
    }
    // One call for all files: the folder gets its name when they are on the disk.
    rustix::fs::syncfs(fs::File::open(&partial.0)?.file()).map_err(io::Error::from)?;
    fs::rename(partial.0.join(folder), &target)?;
    sync_parent(&target)
}

/// Removed with all that is in it when it goes out of scope.
struct PartialFolder(PathBuf);

impl Drop for PartialFolder {
    fn drop(&mut self) {
        let _left_for_the_next_cleaning = fs::remove_dir_all(&self.0);
    }
}

/// Links the programs of a package to one of its folders. Fails where something else has a program's name, before it changes any.
fn relink(context: &HostContext, to: &Installed) -> Result<(), HostError> {
    let programs = to.programs(context)?;
    for program in &programs {
        let path = link(context, program);
        if !matches!(holder(&path)?, Holder::Nobody | Holder::Ours) {
            return Err(HostError::Refused {
                message: format!("`{PORTABLE_LINKS}/{program}` is there already, and not barque's"),
                hint: format!(
                    "look at it and move it away with `mv {PORTABLE_LINKS}/{program} {PORTABLE_LINKS}/{program}.old` on the host"
                ),
            });
        }
    }
    for program in &programs {
        let (path, target) = (link(context, program), to.target(program));
        if fs::read_link(&path).is_ok_and(|present| present == target) {
            continue;
        }
        make_parents(&path)?;
        let temporary = Temporary::new(context.temporary_name(&path));
        symlink(&target, temporary.path())?;
        temporary.persist(&path)?;
        sync_parent(&path)?;
    }
    Ok(())
}

/// Who has a name among the links.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Ours,
    Other,
}

fn holder(path: &Path) -> io::Result<Holder> {
    match fs::read_link(path) {
        Ok(target) => Ok(if target.starts_with(PORTABLE_FOLDER) { Holder::Ours } else { Holder::Other }),
        Err(error) if is_absent(&error) => Ok(Holder::Nobody),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Holder::Other),
        Err(error) => Err(error),
    }
}

fn version_before<'a>(prior: &'a Prior, package: &str) -> Option<&'a str> {
    let Prior::Package { installed } = prior else { return None };
    installed.iter().find(|(name, _)| name == package).map(|(_, version)| version.as_str())
}

/// Brings a package back to the version that it had, or away. Answers with notes.
pub(crate) fn restore(context: &HostContext, wanted: &Package, prior: &Prior) -> Result<Vec<String>, HostError> {
    let mut notes = Vec::new();
    for archive in &wanted.archives {
        let folders = installed(context, &archive.name)?;
        let former = version_before(prior, &archive.name);
        let kept = former.and_then(|version| folders.iter().find(|installed| installed.version == version));
        match (former, kept) {
            (Some(_), Some(kept)) => relink(context, kept)?,
            (Some(version), None) => {
                notes
                    .push(format!("the package {} stays as it is: its former version {version} is not on the host any more", archive.name));
                continue;
            }
            (None, _) => {}
        }
        for gone in folders.iter().filter(|installed| kept.is_none_or(|kept| kept.folder != installed.folder)) {
            unlink(context, gone)?;
            fs::remove_dir_all(context.path(PORTABLE_FOLDER).join(&gone.folder))?;
        }
    }
    if entries(context)?.is_empty() {
        let place = context.path(PORTABLE_FOLDER);
        match fs::remove_dir(&place) {
            Ok(()) => sync_parent(&place)?,
            // Another step may have put something there meanwhile.
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(notes)
}

fn unlink(context: &HostContext, gone: &Installed) -> Result<(), HostError> {
    for program in gone.programs(context)? {
        let path = link(context, &program);
        if fs::read_link(&path).is_ok_and(|target| target == gone.target(&program)) {
            fs::remove_file(&path)?;
            sync_parent(&path)?;
        }
    }
    Ok(())
}

/// Says which packages are not as `prior` says.
pub(crate) fn remaining(context: &HostContext, wanted: &Package, prior: &Prior) -> Result<Option<String>, HostError> {
    let mut left = Vec::new();
    for archive in &wanted.archives {
        let folders = installed(context, &archive.name)?;
        match version_before(prior, &archive.name) {
            None if folders.is_empty() => {}
            None => left.push(format!("{} is still installed", archive.name)),
            // A version that is gone cannot come back, as a note has said.
            Some(version) if folders.iter().any(|installed| installed.version == version && !installed.is_linked(context)) => {
                left.push(format!("{} is not at version {version}", archive.name));
            }
            Some(_) => {}
        }
    }
    Ok(if left.is_empty() { None } else { Some(left.join(", ")) })
}

/// Removes what a killed run may have left.
pub(crate) fn clean(context: &HostContext) {
    for partial in entries(context).unwrap_or_default().iter().filter(|name| name.starts_with(PARTIAL)) {
        let _not_there_any_more = fs::remove_dir_all(context.path(PORTABLE_FOLDER).join(partial));
    }
}

#[cfg(test)]
#[path = "portable_tests.rs"]
mod tests;
