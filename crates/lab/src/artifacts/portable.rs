//! Debian's programs with all their libraries, glibc and its loader among them, so that they run on any distribution with systemd.
//!
//! Each becomes one archive with one folder, which has its place on hosts: the loader's path is written into a program. Its layout is that of
//! [`barque_model::PORTABLE_FOLDER`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use barque_bundle::{ANY_DISTRIBUTION, Architecture, Artifact, ArtifactKind, Bundle, Description};
use barque_model::{PORTABLE_FOLDER, PORTABLE_STAMP};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::command::run;
use super::error::io_error;
use super::layout::{append, append_folder};
use super::{ArtifactError, DISTRIBUTION};

/// Part of every key: raise it when what this module writes changes.
const RECIPE: u32 = 1;
/// What iptables loads its extensions from.
const EXTENSIONS: &str = "xtables";

/// A program to pack.
struct Program {
    /// Debian's package, and the name of ours.
    package: &'static str,
    /// The program in Debian's package.
    path: &'static str,
    /// The names it is called by, when it finds out from its first argument what it is; else it has its own.
    names: &'static [&'static str],
    /// Licences of it and of its libraries, in SPDX's words.
    licence: &'static str,
}

/// With glibc (LGPL) throughout.
const PROGRAMS: [Program; 4] = [
    Program {
        package: "haproxy",
        path: "usr/sbin/haproxy",
        names: &[],
        licence: "GPL-2.0-or-later AND LGPL-2.1-or-later AND Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND MIT AND Zlib AND \
                  GPL-3.0-or-later WITH GCC-exception-3.1",
    },
    Program {
        package: "iptables",
        path: "usr/sbin/xtables-nft-multi",
        names: &["ip6tables", "ip6tables-restore", "ip6tables-save", "iptables", "iptables-restore", "iptables-save"],
        licence: "GPL-2.0-or-later AND GPL-2.0-only AND LGPL-2.1-or-later",
    },
    Program {
        package: "keepalived",
        path: "usr/sbin/keepalived",
        names: &[],
        licence: "GPL-2.0-or-later AND LGPL-2.1-or-later AND LGPL-2.1-only AND Apache-2.0 AND BSD-3-Clause AND MIT AND Net-SNMP AND Zlib AND \
                  (Artistic-1.0-Perl OR GPL-1.0-or-later) AND GPL-3.0-or-later WITH GCC-exception-3.1",
    },
    Program {
        package: "nftables",
        path: "usr/sbin/nft",
        names: &[],
        licence: "GPL-2.0-only AND GPL-2.0-or-later AND LGPL-2.1-or-later AND LGPL-3.0-or-later AND BSD-3-Clause AND MIT AND MIT-X11-ncurses",
    },
];

/// The packages that there is one of.
pub(super) fn packages() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|program| program.package)
}

/// An archive to make.
pub(super) struct Packing {
    program: &'static Program,
    architecture: Architecture,
    debs: Vec<Artifact>,
    key: String,
}

/// What is to be packed for `package`, where the bundle does not have it: of the packages that it carries for [`DISTRIBUTION`], which were
/// resolved against a root whose packages have the key `root_key`.
pub(super) fn missing(bundle: &Bundle, architecture: Architecture, package: &str, root_key: &str) -> Option<Packing> {
    let program = PROGRAMS.iter().find(|program| program.package == package)?;
    let debs: Vec<Artifact> = bundle.packages(DISTRIBUTION, package, architecture).into_iter().cloned().collect();
    let key = key(program, &debs, root_key);
    let mut found = bundle.packages(ANY_DISTRIBUTION, package, architecture).into_iter();
    let is_present = found.any(|found| found.source.ends_with(&format!("key {key}")));
    (!is_present).then_some(Packing { program, architecture, debs, key })
}

impl Packing {
    /// Packs it with libraries of `root`, and puts it into the bundle in place of another. Answers its source.
    pub(super) fn store(self, bundle: &mut Bundle, root: &Path, work: &Path) -> Result<String, ArtifactError> {
        let Self { program, architecture, debs, key } = self;
        let package = program.package;
        let unpacked = work.join(format!("portable-{package}"));
        extract(bundle, &debs, &unpacked)?;
        let tree = Tree::collect(program, &unpacked, root)?;
        let archive = work.join(format!("{package}.tar"));
        let deb = debs.iter().find(|deb| deb.name == package);
        let version = format!("{}+{}", deb.map_or("0", |deb| deb.version.as_str()), tree.digest);
        tree.write(program, &version, work, &archive)?;
        for old in bundle.packages(ANY_DISTRIBUTION, package, architecture).into_iter().cloned().collect::<Vec<_>>() {
            bundle.remove(&old)?;
        }
        let source = format!("packed from Debian's {package} with its libraries, key {key}");
        let description = Description {
            kind: ArtifactKind::Package { distribution: ANY_DISTRIBUTION.to_owned(), for_packages: vec![package.to_owned()] },
            name: package.to_owned(),
            version,
            architecture,
            source: source.clone(),
            licence: program.licence.to_owned(),
        };
        bundle.add_file(&archive, description)?;
        fs::remove_dir_all(&unpacked).and_then(|()| fs::remove_file(&archive)).map_err(io_error("clean up after packing"))?;
        Ok(source)
    }
}

/// Twelve hexadecimal digits over all that decides an archive's content.
fn key(program: &Program, debs: &[Artifact], root_key: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{RECIPE} {root_key} {} {}\n", program.path, program.names.join(" ")));
    for deb in debs {
        hasher.update(format!("{} {}\n", deb.name, deb.digest));
    }
    hex::encode(&hasher.finalize()[..6])
}

fn extract(bundle: &Bundle, debs: &[Artifact], target: &Path) -> Result<(), ArtifactError> {
    let unpacking = || io_error("unpack Debian's packages");
    fs::create_dir_all(target).map_err(unpacking())?;
    let file = target.with_extension("deb");
    for deb in debs {
        io::copy(&mut bundle.open_content(deb)?, &mut fs::File::create(&file).map_err(unpacking())?).map_err(unpacking())?;
        run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(target))?;
    }
    fs::remove_file(&file).or_else(|error| if debs.is_empty() { Ok(()) } else { Err(error) }).map_err(unpacking())
}

/// The files of an archive.
struct Tree {
    /// Twelve hexadecimal digits over them.
    digest: String,
    /// The program on this machine, as Debian has it.
    program: PathBuf,
    /// File name of the loader.
    loader: String,
    /// Libraries by the names that programs know them by.
    libraries: BTreeMap<String, PathBuf>,
    /// Extensions that it loads by their paths.
    extensions: BTreeMap<String, PathBuf>,
    /// The copyright files of all packages that something is from, by package.
    notices: BTreeMap<String, PathBuf>,
}

impl Tree {
    /// Finds all that `program` needs in `unpacked`, which has it, and in `root`.
    fn collect(program: &Program, unpacked: &Path, root: &Path) -> Result<Self, ArtifactError> {
        let looking = || io_error(format!("look for what {} needs", program.package));
        let (path, roots) = (unpacked.join(program.path), [unpacked, root]);
        let loader = run(Command::new("patchelf").arg("--print-interpreter").arg(&path))?;
        let loader = String::from_utf8_lossy(&loader.stdout).trim().rsplit('/').next().unwrap_or_default().to_owned();
        let mut extensions = BTreeMap::new();
        if program.package == "iptables" {
            for folder in library_folders().iter().map(|folder| unpacked.join(folder).join(EXTENSIONS)).filter(|folder| folder.is_dir()) {
                for entry in fs::read_dir(folder).map_err(looking())? {
                    let entry = entry.map_err(looking())?;
                    // Some are links to others that have the same code.
                    extensions.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
                }
            }
        }
        let mut libraries = BTreeMap::from([(loader.clone(), find(&loader, &roots)?)]);
        let mut left: Vec<PathBuf> = extensions.values().cloned().chain([path.clone()]).collect();
        while let Some(file) = left.pop() {
            for name in needed(&file)? {
                if libraries.contains_key(&name) {
                    continue;
                }
                let found = find(&name, &roots)?;
                left.push(found.clone());
                libraries.insert(name, found);
            }
        }
        let mut tree = Self { digest: String::new(), program: path, loader, libraries, extensions, notices: BTreeMap::new() };
        tree.notices = tree.notices(program, unpacked, root).map_err(looking())?;
        tree.digest = tree.digest(program).map_err(looking())?;
        Ok(tree)
    }

    fn digest(&self, program: &Program) -> io::Result<String> {
        let mut hasher = Sha256::new();
        hasher.update(format!("{RECIPE} {} {}\n", program.package, program.names.join(" ")));
        for path in [&self.program].into_iter().chain(self.libraries.values()).chain(self.extensions.values()) {
            hasher.update(Sha256::digest(fs::read(path)?));
        }
        Ok(hex::encode(&hasher.finalize()[..6]))
    }

    /// The copyright files of the packages that `self`'s files are from.
    fn notices(&self, program: &Program, unpacked: &Path, root: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut packages = BTreeSet::from([program.package.to_owned()]);
        // What was unpacked is the closure of the program, and all of it counts.
        let documents = unpacked.join("usr/share/doc");
        if documents.is_dir() {
            for entry in fs::read_dir(documents)? {
                packages.insert(entry?.file_name().to_string_lossy().into_owned());
            }
        }
        let names: BTreeSet<String> = self
            .libraries
            .values()
            .filter(|path| path.starts_with(root))
            .filter_map(|path| Some(fs::canonicalize(path).ok()?.file_name()?.to_string_lossy().into_owned()))
            .collect();
        for entry in fs::read_dir(root.join("var/lib/dpkg/info"))? {
            let path = entry?.path();
            let Some(stem) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".list")) else { continue };
            let list = fs::read_to_string(&path)?;
            if list.lines().any(|line| line.contains("/lib") && line.rsplit('/').next().is_some_and(|name| names.contains(name))) {
                packages.insert(stem.split(':').next().unwrap_or(stem).to_owned());
            }
        }
        let notice = |package: String| {
            let mut paths = [unpacked, root].into_iter().map(|root| root.join("usr/share/doc").join(&package).join("copyright"));
            let found = paths.find(|path| path.is_file())?;
            Some((package, found))
        };
        Ok(packages.into_iter().filter_map(notice).collect())
    }

    /// Writes the archive.
    fn write(&self, program: &Program, version: &str, work: &Path, target: &Path) -> Result<(), ArtifactError> {
        let packing = || io_error(format!("pack {}", program.package));
        let folder = format!("{}-{}", program.package, self.digest);
        let place = format!("{PORTABLE_FOLDER}/{folder}");
        let name = program.path.rsplit('/').next().unwrap_or(program.path);
        let patched = work.join(format!("{name}.patched"));
        // An RPATH, unlike a RUNPATH, also holds for what libraries need.
        run(Command::new("patchelf")
            .arg("--set-interpreter")
            .arg(format!("{place}/lib/{}", self.loader))
            .args(["--force-rpath", "--set-rpath", "$ORIGIN/../lib", "--output"])
            .arg(&patched)
            .arg(&self.program))?;
        let mut archive = tar::Builder::new(io::BufWriter::new(fs::File::create(target).map_err(packing())?));
        let write = |archive: &mut tar::Builder<_>| -> io::Result<()> {
            let file = |archive: &mut tar::Builder<_>, name: &str, mode: u32, path: &Path| {
                let content = fs::File::open(path)?;
                append(archive, &format!("{folder}/{name}"), mode, content.metadata()?.len(), content)
            };
            let text = |archive: &mut tar::Builder<_>, name: &str, mode: u32, text: &str| {
                append(archive, &format!("{folder}/{name}"), mode, text.len() as u64, text.as_bytes())
            };
            append_folder(archive, &format!("{folder}/"))?;
            text(archive, PORTABLE_STAMP, 0o644, &format!("{} {version}\n", program.package))?;
            for sub in ["bin/", "lib/", "lib/xtables/", "licences/", "sbin/"] {
                append_folder(archive, &format!("{folder}/{sub}"))?;
            }
            if program.names.is_empty() {
                file(archive, &format!("sbin/{name}"), 0o755, &patched)?;
            } else {
                file(archive, &format!("bin/{name}"), 0o755, &patched)?;
            }
            for called in program.names {
                text(archive, &format!("sbin/{called}"), 0o755, &wrapper(&place, name, called))?;
            }
            for (name, path) in &self.libraries {
                file(archive, &format!("lib/{name}"), 0o755, path)?;
            }
            for (name, path) in &self.extensions {
                file(archive, &format!("lib/{EXTENSIONS}/{name}"), 0o644, path)?;
            }
            for (package, path) in &self.notices {
                file(archive, &format!("licences/{package}"), 0o644, path)?;
            }
            Ok(())
        };
        write(&mut archive).map_err(packing())?;
        archive.into_inner().and_then(|mut file| file.flush()).map_err(packing())?;
        fs::remove_file(&patched).map_err(packing())
    }
}

/// A program with several names, called by one of them, which looks for its extensions beside it.
fn wrapper(place: &str, program: &str, name: &str) -> String {
    format!(
        "#!/bin/sh\nXTABLES_LIBDIR=${{XTABLES_LIBDIR:-{place}/lib/{EXTENSIONS}}}\nexport XTABLES_LIBDIR\nexec {place}/bin/{program} {name} \"$@\"\n"
    )
}

/// Names of the libraries that the file needs itself.
fn needed(path: &Path) -> Result<Vec<String>, ArtifactError> {
    let output = run(Command::new("patchelf").arg("--print-needed").arg(path))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Where libraries lie below a root of Debian.
fn library_folders() -> [String; 4] {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    [format!("usr/lib/{triplet}"), format!("lib/{triplet}"), "usr/lib".to_owned(), "lib".to_owned()]
}

/// The file of a library, in the first root that has it.
fn find(name: &str, roots: &[&Path]) -> Result<PathBuf, ArtifactError> {
    let folders = library_folders();
    let places = roots.iter().flat_map(|root| folders.iter().map(|folder| root.join(folder).join(name)));
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| ArtifactError::IncompleteDownload { url: "Debian's packages".to_owned(), wanted: name.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_follows_what_is_packed() {
        let [haproxy, iptables, ..] = &PROGRAMS;
        assert_ne!(key(haproxy, &[], "a"), key(iptables, &[], "a"));
        assert_ne!(key(haproxy, &[], "a"), key(haproxy, &[], "b"));
        assert!(PROGRAMS.is_sorted_by_key(|program| program.package));
    }

    #[test]
    fn a_wrapper_leaves_a_users_folder_of_extensions() {
        let text = wrapper("/place", "xtables-nft-multi", "iptables-save");
        assert!(text.contains("XTABLES_LIBDIR=${XTABLES_LIBDIR:-/place/lib/xtables}\n"), "{text}");
        assert!(text.ends_with("\nexec /place/bin/xtables-nft-multi iptables-save \"$@\"\n"), "{text}");
    }
}
