//! Reads the add-ons that a cluster file names by their folders.

use std::io;
use std::path::Path;

use barque_addon::{Addon, Files, Library};
use fs_err as fs;

use super::kustomize;

/// Files of an add-on at most, and bytes of each: beyond that it is another folder that was meant.
const MAX_FILES: usize = 1000;
const MAX_BYTES: u64 = 16 << 20;

/// barque's add-ons, and those that `text` names, relative to `directory`. What cannot be read is in the library with its reason.
pub(crate) fn library(text: &str, directory: &Path) -> Library {
    let mut library = Library::embedded();
    for (name, from) in barque_spec::addon_sources(text) {
        let Ok(parsed) = name.parse() else { continue };
        let addon =
            texts(&directory.join(&from)).and_then(|files| Addon::read(&parsed, &files).map_err(|error| (error.to_string(), error.hint())));
        library.add(&name, &from, addon);
    }
    library
}

/// What an add-on is read from, or why not, with a hint.
fn texts(path: &Path) -> Result<Files, (String, String)> {
    let wrong = |message| (message, format!("correct what it names; `kubectl kustomize {}` says the same", path.display()));
    if let Some(built) = kustomize::built(path).map_err(wrong)? {
        return Ok(built);
    }
    files(path).map_err(|error| (error.to_string(), "name a folder or file that is there, relative to the cluster file".to_owned()))
}

/// A folder's texts by their path in it, or the one text of a file.
fn files(path: &Path) -> io::Result<Files> {
    let mut found = Files::new();
    if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, read(path)?);
        return Ok(found);
    }
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let place = entry?.path();
            let hidden = place.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if place.is_dir() {
                waiting.push(place);
                continue;
            }
            let relative = place.strip_prefix(path).unwrap_or(&place).to_string_lossy().into_owned();
            let known =
                [".yaml", ".yml", ".json", ".toml"].iter().any(|ending| relative.ends_with(ending)) || relative.ends_with("ustomization");
            if known {
                found.insert(relative, read(&place)?);
            }
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other(format!("`{}` has more than {MAX_BYTES} bytes", path.display())));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_and_files_are_read_and_the_rest_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n";
        fs::create_dir_all(folder.path().join("mine/more")).unwrap();
        fs::write(folder.path().join("mine/more/a.yaml"), object).unwrap();
        fs::write(folder.path().join("mine/README.md"), "words").unwrap();
        fs::write(folder.path().join("one.yaml"), object).unwrap();
        let text = "spec:\n  addons:\n    - {name: a, from: ./mine}\n    - {name: b, from: one.yaml}\n    - {name: c, from: ./gone}\n    - {name: dns}\n";
        let library = library(text, folder.path());
        let read = |name: &str, from: &str| library.own(&name.parse().unwrap(), from).unwrap().clone();
        assert_eq!(read("a", "./mine").unwrap().namespace, "b");
        assert_eq!(read("b", "one.yaml").unwrap().name.as_str(), "b");
        assert!(read("c", "./gone").unwrap_err().0.contains("gone"));
    }
}
