//! Official downloads, each checked against the checksum file that its publisher puts beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::command::run_any;
use super::error::io_error;
use super::source::{Fetched, Source, Wanted};
use super::{ArtifactError, Progress, elf};

/// Patience with a host that may be out of reach, in seconds.
const PROBE_SECONDS: &str = "3";

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Kubernetes,
    GitHub,
}

/// Where one program is.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    origin: Origin,
    /// Path of the file on its origin.
    path: String,
    /// Path of the checksum file.
    checksum: String,
    /// The member of the archive; `None` if the file is the program.
    member: Option<String>,
}

/// The source of official downloads. Asks each origin once whether it is in reach and remembers the answer.
#[derive(Debug)]
pub(super) struct Downloads {
    bases: BTreeMap<Origin, String>,
    in_reach: BTreeMap<Origin, bool>,
    /// What the manifest names in place of a mirror.
    named: Option<BTreeMap<Origin, String>>,
}

const KUBERNETES: &str = "https://dl.k8s.io";
const GITHUB: &str = "https://github.com";

impl Downloads {
    /// The real origins.
    pub(super) fn new() -> Self {
        Self::with_bases(KUBERNETES, GITHUB)
    }

    /// Copies of the real ones below `url`. It is not asked first whether it is in reach: who names a mirror wants to hear if it is not.
    pub(super) fn mirror(url: &str) -> Self {
        let copies = Self::with_bases(&format!("{url}/dl.k8s.io"), &format!("{url}/github.com"));
        let in_reach = copies.bases.keys().map(|origin| (*origin, true)).collect();
        let named = Some(Self::with_bases(KUBERNETES, GITHUB).bases);
        Self { in_reach, named, ..copies }
    }

    /// Other places with the same paths below them, such as mirrors.
    pub(super) fn with_bases(kubernetes: &str, github: &str) -> Self {
        let bases = BTreeMap::from([(Origin::Kubernetes, kubernetes.to_owned()), (Origin::GitHub, github.to_owned())]);
        Self { bases, in_reach: BTreeMap::new(), named: None }
    }

    fn is_in_reach(&mut self, origin: Origin, progress: &mut dyn FnMut(Progress)) -> Result<bool, ArtifactError> {
        if let Some(&known) = self.in_reach.get(&origin) {
            return Ok(known);
        }
        let mut command = curl();
        command.args(["--head", "--max-time", PROBE_SECONDS, "--output", "/dev/null"]).arg(&self.bases[&origin]);
        let answers = match run_any(&mut command) {
            Ok(output) => output.status.success(),
            Err(ArtifactError::ProgramMissing { .. }) => false,
            Err(error) => return Err(error),
        };
        if !answers {
            let origin = if origin == Origin::Kubernetes { "kubernetes" } else { "github" };
            progress(Progress::OutOfReach { origin });
        }
        self.in_reach.insert(origin, answers);
        Ok(answers)
    }
}

impl Source for Downloads {
    /// `None` if there is no checked download or its origin is out of reach; the source is the URL.
    /// Fails if what comes is not what the publisher says.
    fn fetch(&mut self, wanted: Wanted<'_>, work: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Option<Fetched>, ArtifactError> {
        let Some(location) = locate(wanted) else { return Ok(None) };
        if !self.is_in_reach(location.origin, progress)? {
            return Ok(None);
        }
        let base = &self.bases[&location.origin];
        let url = format!("{base}/{}", location.path);
        let file_name = location.path.rsplit('/').next().unwrap_or(wanted.program);
        let file = work.join(file_name);
        // The archive of another program of this component may have come already.
        if !file.is_file() {
            let sums = work.join("checksums");
            if !get(&format!("{base}/{}", location.checksum), &sums)? {
                return Ok(None);
            }
            let sums = fs::read_to_string(&sums).map_err(io_error("read a checksum file"))?;
            let Some(expected) = find_checksum(&sums, file_name) else {
                return Err(ArtifactError::IncompleteDownload { url: location.checksum, wanted: file_name.to_owned() });
            };
            let unchecked = work.join("unchecked");
            if !get(&url, &unchecked)? {
                return Ok(None);
            }
            let actual = hash(&unchecked).map_err(io_error("hash a download"))?;
            if actual != expected {
                return Err(ArtifactError::ChecksumMismatch { url, expected, actual });
            }
            fs::rename(&unchecked, &file).map_err(io_error("keep a download"))?;
        }
        let path = match &location.member {
            None => file,
            Some(member) => {
                let target = work.join("member");
                if !extract(&file, member, &target).map_err(io_error(format!("unpack `{file_name}`")))? {
                    return Err(ArtifactError::IncompleteDownload { url, wanted: member.clone() });
                }
                target
            }
        };
        if !elf::is_static_program(&path).map_err(io_error(format!("read `{}`", path.display())))? {
            return Err(ArtifactError::NotStatic { program: wanted.program.to_owned() });
        }
        let source = self.named.as_ref().map_or(url, |named| format!("{}/{}", named[&location.origin], location.path));
        Ok(Some(Fetched { path, source }))
    }
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--fail", "--silent", "--show-error", "--location", "--proto", "=https,file", "--connect-timeout", PROBE_SECONDS]);
    command
}

/// False where the server does not have it or the line breaks.
fn get(url: &str, target: &Path) -> Result<bool, ArtifactError> {
    Ok(run_any(curl().arg("--output").arg(target).arg(url))?.status.success())
}

/// The publishers' URLs. flannel and its plugin have no checksum file: they are always built.
fn locate(wanted: Wanted<'_>) -> Option<Location> {
    let Wanted { component, version, program, architecture } = wanted;
    let release = |project: &str, file: String, checksum: &str, member: Option<String>| {
        let folder = format!("{project}/releases/download/v{version}");
        // A checksum name that starts with a dot is a suffix.
        let checksum = if checksum.starts_with('.') { format!("{file}{checksum}") } else { checksum.to_owned() };
        let (path, checksum) = (format!("{folder}/{file}"), format!("{folder}/{checksum}"));
        Some(Location { origin: Origin::GitHub, path, checksum, member })
    };
    match component {
        "kubernetes" => {
            let path = format!("release/v{version}/bin/linux/{architecture}/{program}");
            Some(Location { origin: Origin::Kubernetes, checksum: format!("{path}.sha256"), path, member: None })
        }
        "etcd" => {
            let stem = format!("etcd-v{version}-linux-{architecture}");
            release("etcd-io/etcd", format!("{stem}.tar.gz"), "SHA256SUMS", Some(format!("{stem}/{program}")))
        }
        "containerd" => {
            let file = format!("containerd-static-{version}-linux-{architecture}.tar.gz");
            release("containerd/containerd", file, ".sha256sum", Some(format!("bin/{program}")))
        }
        "runc" => release("opencontainers/runc", format!("runc.{architecture}"), "runc.sha256sum", None),
        "cni-plugins" => {
            let member = program.strip_prefix("cni-")?.to_owned();
            let file = format!("cni-plugins-linux-{architecture}-v{version}.tgz");
            release("containernetworking/plugins", file, ".sha256", Some(member))
        }
        "coredns" => {
            let file = format!("coredns_{version}_linux_{architecture}.tgz");
            release("coredns/coredns", file, ".sha256", Some("coredns".to_owned()))
        }
        "prometheus" | "alertmanager" | "node-exporter" => {
            let project = component.replace('-', "_");
            let stem = format!("{project}-{version}.linux-{architecture}");
            release(&format!("prometheus/{project}"), format!("{stem}.tar.gz"), "sha256sums.txt", Some(format!("{stem}/{program}")))
        }
        _ => None,
    }
}

/// Reads `sha256sum` output, or a file that holds nothing but one digest.
fn find_checksum(text: &str, file_name: &str) -> Option<String> {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let digest = words.next().filter(|word| is_digest(word));
        let name = words.next().map(|name| name.trim_start_matches('*').rsplit('/').next().unwrap_or(name));
        match (digest, name) {
            (Some(digest), Some(name)) if name == file_name => return Some(digest.to_ascii_lowercase()),
            (Some(digest), None) => return Some(digest.to_ascii_lowercase()),
            _ => {}
        }
    }
    None
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}

fn extract(archive: &Path, member: &str, target: &Path) -> io::Result<bool> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(io::BufReader::new(fs::File::open(archive)?)));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?;
        // Some archives write `./bridge`.
        let is_wanted = path.strip_prefix(".").unwrap_or(&path) == Path::new(member);
        if is_wanted && entry.header().entry_type().is_file() {
            io::copy(&mut entry, &mut fs::File::create(target)?)?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
