//! Packing at build time.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Packs every folder of `root`, a path from the crate's own folder, into `NAME` of `OUT_DIR`; cargo builds again when one of their files changes.
/// The same files give the same bytes. Errors are those of the file system, and files that are not UTF-8.
pub fn from_build_script(root: &str, name: &str) -> io::Result<()> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("{name} is not set")));
    let root = variable("CARGO_MANIFEST_DIR")?.join(root).canonicalize()?;
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", root.display())?;
    let packed = pack(&root, io::stdout())?;
    fs::write(variable("OUT_DIR")?.join(name), packed)
}

/// The bytes; what cargo has to know goes to `words`.
fn pack(root: &Path, mut words: impl Write) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best()));
    for folder in sorted(root)?.into_iter().filter(|path| path.is_dir()) {
        for file in files(&folder)? {
            writeln!(words, "cargo::rerun-if-changed={}", file.display())?;
            let text = fs::read_to_string(&file).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, file.strip_prefix(root).map_err(io::Error::other)?, text.as_bytes())?;
        }
    }
    archive.into_inner()?.finish()
}

/// What lies in a folder, by name, so that every build has the same order.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in sorted(folder)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_packed_is_read_again_and_two_times_the_same() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
        let mut words = Vec::new();
        let packed = pack(&root, &mut words).unwrap();
        assert_eq!(packed, pack(&root, io::sink()).unwrap());
        let folders = crate::unpack(&packed).unwrap();
        assert_eq!(folders["src"]["pack.rs"], include_str!("pack.rs"));
        assert!(String::from_utf8(words).unwrap().contains("src/folders.rs\n"));
        assert!(crate::unpack(&packed[..packed.len() / 2]).is_err());
    }
}
