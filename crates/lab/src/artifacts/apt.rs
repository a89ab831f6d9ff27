//! Asks apt about another release of Debian on another root, with this machine's mirror and way out.

use std::path::Path;
use std::process::Command;

use fs_err as fs;

use super::ArtifactError;
use super::command::run;
use super::error::io_error;

/// An apt with its state in a folder of its own, which sees the packages of `root` as installed.
#[derive(Debug)]
pub(super) struct Apt {
    work: tempfile::TempDir,
}

/// A package file that a closure needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deb {
    /// Name of the package.
    pub(super) name: String,
    /// Version with epoch.
    pub(super) version: String,
    /// The file's name in [`Apt::archives`].
    pub(super) file: String,
}

/// One archive of the machine's apt sources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uri: String,
    suite: String,
    signed_by: Option<String>,
    /// Whether the machine takes it without a signature, as of a mirror inside a company.
    trusted: bool,
}

impl Apt {
    /// Fetches the package lists of `codename` (such as `trixie`) for a root whose dpkg status is the file `status`.
    pub(super) fn new(parent: &Path, codename: &str, status: &Path, architecture: &str) -> Result<Self, ArtifactError> {
        let etc = Path::new("/etc/apt");
        let own = own_codename(&fs::read_to_string("/etc/os-release").map_err(io_error("read the name of this system"))?);
        let sources = sources_of(&machine_sources(etc)?, &own, codename);
        if sources.is_empty() {
            return Err(ArtifactError::NoMirror { path: etc.to_owned() });
        }
        let work = tempfile::tempdir_in(parent).map_err(io_error("create a folder for apt"))?;
        let preparing = || io_error("prepare a folder for apt");
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(work.path().join(folder)).map_err(preparing())?;
        }
        fs::write(work.path().join("sources.list"), sources.join("\n") + "\n").map_err(preparing())?;
        let text = configuration(work.path(), status, architecture);
        fs::write(work.path().join("apt.conf"), text).map_err(preparing())?;
        let apt = Self { work };
        run(apt.command().arg("update"))?;
        Ok(apt)
    }

    /// Everything that `package` needs and the root does not have, itself among it.
    pub(super) fn closure(&self, package: &str) -> Result<Vec<Deb>, ArtifactError> {
        let output = run(self.command().args(["--print-uris", "install", package]))?;
        let mut debs = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with('\'')) {
            let deb = parse_uri_line(line);
            debs.push(deb.ok_or_else(|| ArtifactError::UnexpectedApt { package: package.to_owned(), line: line.to_owned() })?);
        }
        debs.sort();
        if debs.iter().any(|deb| deb.name == package) {
            return Ok(debs);
        }
        let line = "nothing to install".to_owned();
        Err(ArtifactError::UnexpectedApt { package: package.to_owned(), line })
    }

    /// Fetches the closure of `package`; apt checks it against the archive's signature.
    pub(super) fn download(&self, package: &str) -> Result<(), ArtifactError> {
        run(self.command().args(["--download-only", "install", package])).map(drop)
    }

    /// Where fetched packages lie.
    pub(super) fn archives(&self) -> std::path::PathBuf {
        self.work.path().join("cache/archives")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["--quiet=2", "--yes", "--no-install-recommends"]).arg("-c").arg(self.work.path().join("apt.conf"));
        command
    }
}

/// Read after the machine's own configuration, whose proxy and other ways out stay in force.
fn configuration(work: &Path, status: &Path, architecture: &str) -> String {
    let work = work.display();
    format!(
        r#"// The machine's hooks are for its own state.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{work}/state/";
Dir::State::status "{status}";
Dir::Cache "{work}/cache/";
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
"#,
        status = status.display()
    )
}

/// The text of all source files of this machine, in the order of their names.
fn machine_sources(etc: &Path) -> Result<Vec<(bool, String)>, ArtifactError> {
    let mut paths = vec![etc.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc.join("sources.list.d")) {
        paths.extend(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())));
    }
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let is_deb822 = path.extension().is_some_and(|extension| extension == "sources");
        let is_list = path.extension().is_some_and(|extension| extension == "list");
        if (is_deb822 || is_list) && path.is_file() {
            texts.push((is_deb822, fs::read_to_string(&path).map_err(io_error("read the apt sources"))?));
        }
    }
    Ok(texts)
}

/// The lines of a `sources.list` that give `codename` where this machine has its own release.
fn sources_of(texts: &[(bool, String)], own: &str, codename: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (is_deb822, text) in texts {
        for Entry { uri, suite, signed_by, trusted } in if *is_deb822 { deb822_entries(text) } else { one_line_entries(text) } {
            let Some(suffix) = suite.strip_prefix(own).filter(|suffix| ["", "-updates", "-security"].contains(suffix)) else { continue };
            let mut options: Vec<_> = signed_by.map(|path| format!("signed-by={path}")).into_iter().collect();
            if trusted {
                options.push("trusted=yes".to_owned());
            }
            let options = if options.is_empty() { String::new() } else { format!("[{}] ", options.join(" ")) };
            let line = format!("deb {options}{uri} {codename}{suffix} main");
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn deb822_entries(text: &str) -> Vec<Entry> {
    let without_comments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut entries = Vec::new();
    for stanza in without_comments.split(|line| line.trim().is_empty()) {
        let field = |name: &str| {
            let mut lines = stanza
                .iter()
                .skip_while(|line| line.split_once(':').is_none_or(|(key, _)| line.starts_with(' ') || !key.eq_ignore_ascii_case(name)));
            let mut value = lines.next()?.split_once(':')?.1.to_owned();
            for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
                value.push(' ');
                value.push_str(line);
            }
            Some(value)
        };
        let words = |name: &str| field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let is_off = words("Enabled").first().is_some_and(|word| word == "no");
        if is_off || !words("Types").contains(&"deb".to_owned()) || !words("Components").contains(&"main".to_owned()) {
            continue;
        }
        let signed_by = words("Signed-By").into_iter().next().filter(|path| path.starts_with('/'));
        let trusted = words("Trusted").first().is_some_and(|word| word == "yes");
        for uri in words("URIs") {
            for suite in words("Suites") {
                entries.push(Entry { uri: uri.clone(), suite, signed_by: signed_by.clone(), trusted });
            }
        }
    }
    entries
}

fn one_line_entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb ").map(str::trim) else { continue };
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).map(str::to_owned);
        let trusted = options.split_whitespace().any(|option| option == "trusted=yes");
        let mut words = rest.split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        if words.any(|component| component == "main") {
            entries.push(Entry { uri: uri.to_owned(), suite: suite.to_owned(), signed_by, trusted });
        }
    }
    entries
}

fn own_codename(os_release: &str) -> String {
    let value = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.unwrap_or("stable").trim_matches('"').to_owned()
}

/// `'URI' name_version_architecture.deb size hash`; apt writes the epoch's colon as `%3a` in the file's name.
fn parse_uri_line(line: &str) -> Option<Deb> {
    let file = line.strip_prefix('\'')?.split_once("' ")?.1.split_whitespace().next()?;
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version, _architecture) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Deb { name: name.to_owned(), version: version.replace("%3a", ":"), file: file.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb
# an old URI
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites:
 bookworm-security
Components: main contrib

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://other.example/node
Suites: nodistro
Components: main
";

    #[test]
    fn takes_the_machines_mirror_for_another_release() {
        let keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ";
        let list = "# deb http://commented.example/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/k.gpg trusted=yes] http://listed.example/debian bookworm contrib main # note\n\
                    deb http://mirror.example/debian bookworm-backports main\ndeb-src http://src.example/debian bookworm main\n";
        assert_eq!(
            sources_of(&[(true, DEB822.to_owned()), (false, list.to_owned())], "bookworm", "trixie"),
            [
                format!("deb {keyring}http://mirror.example/debian trixie main"),
                format!("deb {keyring}http://mirror.example/debian trixie-updates main"),
                "deb http://mirror.example/debian-security trixie-security main".to_owned(),
                "deb [signed-by=/k.gpg trusted=yes] http://listed.example/debian trixie main".to_owned(),
            ]
        );
        assert!(sources_of(&[(true, DEB822.to_owned())], "noble", "trixie").is_empty());
        assert_eq!(own_codename("ID=debian\nVERSION_CODENAME=bookworm\n"), "bookworm");
    }

    #[test]
    fn reads_what_apt_prints() {
        let line = "'http://mirror.example/pool/main/k/keepalived/keepalived_2.3.3-1_amd64.deb' keepalived_1%3a2.3.3-1+b1_amd64.deb 573680 SHA256:00";
        let expected = Deb {
            name: "keepalived".to_owned(),
            version: "1:2.3.3-1+b1".to_owned(),
            file: "keepalived_1%3a2.3.3-1+b1_amd64.deb".to_owned(),
        };
        assert_eq!(parse_uri_line(line), Some(expected));
        assert_eq!(parse_uri_line("'http://mirror.example/x' x"), None);
    }
}
