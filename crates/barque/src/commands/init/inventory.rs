//! Reads an inventory and the variables that Ansible looks for beside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use barque_spec::{Imported, Inventory, Scope, VariableFile, import};

use super::fault::InitError;

/// What the inventory says.
pub(super) fn read(path: &Path) -> Result<Imported, InitError> {
    if path.is_dir() {
        return Err(InitError::Folder(path.to_owned()));
    }
    let text = read_text(path)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut variables = Vec::new();
    for folder in ["group_vars", "host_vars"] {
        for file in files(&beside.join(folder)) {
            let Some(of) = named(&file, &beside.join(folder)) else { continue };
            let scope = if folder == "group_vars" { Scope::Group(of) } else { Scope::Host(of) };
            variables.push(VariableFile { scope, name: file.display().to_string(), text: read_text(&file)? });
        }
    }
    Ok(import(&Inventory { name: &path.display().to_string(), text: &text }, &variables)?)
}

fn read_text(path: &Path) -> Result<String, InitError> {
    fs_err::read_to_string(path).map_err(|source| InitError::Inventory { path: path.to_owned(), source })
}

/// All files below `folder` that Ansible reads as variables, by path; none when it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none_or(is_yaml) {
            found.push(path);
        } else if path.file_stem().is_some() && folder.ends_with("host_vars") {
            // A host's name has dots of its own.
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_yaml(extension: &OsStr) -> bool {
    ["yml", "yaml", "json"].iter().any(|known| extension == *known)
}

/// The group or host that a file is for: the first part of its path below `folder`, without the ending of a YAML file.
fn named(file: &Path, folder: &Path) -> Option<String> {
    let below = file.strip_prefix(folder).ok()?;
    let first = Path::new(below.components().next()?.as_os_str());
    let is_file = below.components().count() == 1;
    let name = if is_file && first.extension().is_some_and(is_yaml) { first.file_stem()? } else { first.as_os_str() };
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_beside_the_inventory_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("hosts.ini", "[masters]\nm1.example.com\n");
        write("group_vars/all/net.yml", "SERVICE_CIDR: 10.1.0.0/16\n");
        write("group_vars/masters.yaml", "ansible_user: deploy\n");
        write("group_vars/masters.txt", "ansible_user: other\n");
        write("host_vars/m1.example.com", "ip: 10.0.0.1\n");
        let outline = read(&folder.path().join("hosts.ini")).unwrap().outline;
        assert_eq!(outline.services, Some("10.1.0.0/16".parse().unwrap()));
        assert_eq!(outline.hosts[0].ssh.user.as_deref(), Some("deploy"));
        assert_eq!(outline.hosts[0].address.to_string(), "10.0.0.1");
        assert!(matches!(read(folder.path()), Err(InitError::Folder(_))));
        assert!(matches!(read(&folder.path().join("none")), Err(InitError::Inventory { .. })));
    }
}
