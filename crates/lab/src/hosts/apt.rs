//! Where this machine gets Debian packages from: its own apt sources, in both of apt's formats.

use std::collections::BTreeMap;

/// Suites by which a Debian archive is recognised among other repositories.
const DEBIAN_SUITES: [&str; 10] =
    ["buster", "bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"];

/// One archive that carries Debian itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Where it is.
    pub(crate) uri: String,
    /// The key ring that signs it, if the source names one by its path.
    pub(crate) signed_by: Option<String>,
    /// Whether the machine trusts it without a signature.
    pub(crate) trusted: bool,
}

impl Archive {
    /// The source line for `suite` from this archive.
    pub(crate) fn line(&self, suite: &str) -> String {
        let mut options = Vec::new();
        if let Some(path) = &self.signed_by {
            options.push(format!("signed-by={path}"));
        }
        if self.trusted {
            options.push("trusted=yes".to_owned());
        }
        let options = if options.is_empty() { String::new() } else { format!("[{}] ", options.join(" ")) };
        format!("deb {options}{} {suite} main", self.uri)
    }
}

/// The first archive of Debian itself in the text of a `.sources` file (deb822).
pub(crate) fn from_deb822(text: &str) -> Option<Archive> {
    text.split("\n\n").find_map(|stanza| {
        let fields = fields(stanza);
        let words = |name: &str| -> Vec<String> {
            fields.get(name).map(|value| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
        };
        let enabled = !fields.get("enabled").is_some_and(|value| value.trim().eq_ignore_ascii_case("no"));
        let is_debian = words("suites").iter().any(|suite| DEBIAN_SUITES.contains(&suite.as_str()));
        let has_main = words("components").iter().any(|component| component == "main");
        if !enabled || !is_debian || !has_main || !words("types").iter().any(|kind| kind == "deb") {
            return None;
        }
        let uri = words("uris").into_iter().next()?;
        let signed_by = fields.get("signed-by").map(|value| value.trim().to_owned()).filter(|value| value.starts_with('/'));
        let trusted = fields.get("trusted").is_some_and(|value| value.trim().eq_ignore_ascii_case("yes"));
        Some(Archive { uri, signed_by, trusted })
    })
}

/// The fields of a stanza by lower-case name; comments are left out, continued lines are joined.
fn fields(stanza: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut current = String::new();
    for line in stanza.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            let value: &mut String = fields.entry(current.clone()).or_default();
            value.push('\n');
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            current = name.trim().to_ascii_lowercase();
            fields.insert(current.clone(), value.trim().to_owned());
        }
    }
    fields
}

/// The first archive of Debian itself in the text of a `.list` file (one line per source).
pub(crate) fn from_lines(text: &str) -> Option<Archive> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        if !DEBIAN_SUITES.contains(&suite) || !words.any(|component| component == "main") {
            return None;
        }
        let option = |name: &str| options.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Some(Archive {
            uri: uri.to_owned(),
            signed_by: option("signed-by").filter(|value| value.starts_with('/')).map(str::to_owned),
            trusted: option("trusted") == Some("yes"),
        })
    })
}

/// Options of apt's configuration that say how to reach and verify an archive, from the output of `apt-config dump`.
///
/// Hooks, index targets and cache settings of the machine would only harm in another root, so they stay behind.
pub(crate) fn acquisition_options(dump: &str) -> String {
    const LEFT_OUT: [&str; 6] = [
        "Acquire::IndexTargets",
        "Acquire::CompressionTypes",
        "Acquire::GzipIndexes",
        "Acquire::Languages",
        "Acquire::Changelogs",
        "Acquire::cdrom",
    ];
    let mut kept = String::new();
    for line in dump.lines() {
        if line.starts_with("Acquire::") && !LEFT_OUT.iter().any(|prefix| line.starts_with(prefix)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deb822_skips_other_repositories_and_disabled_ones() {
        let text = "Types: deb\nURIs: https://node.invalid\nSuites: nodistro\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: https://off.invalid\nSuites: trixie\nComponents: main\n\n\
                    Types: deb deb-src\n# a comment\nURIs: http://mirror.invalid/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main contrib\nSigned-By: /usr/share/keyrings/d.gpg\n";
        let archive = from_deb822(text);
        assert_eq!(
            archive,
            Some(Archive {
                uri: "http://mirror.invalid/debian".to_owned(),
                signed_by: Some("/usr/share/keyrings/d.gpg".to_owned()),
                trusted: false
            })
        );
    }

    #[test]
    fn an_inline_key_is_not_taken_for_a_path() {
        let text = "Types: deb\nURIs: http://m.invalid\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n abc\n";
        assert_eq!(from_deb822(text).map(|archive| archive.signed_by), Some(None));
    }

    #[test]
    fn one_line_sources_with_options() {
        let text = "# deb http://old.invalid trixie main\n\
                    deb [arch=amd64] https://docker.invalid/debian bookworm stable\n\
                    deb [trusted=yes signed-by=/k.gpg] http://m.invalid/debian stable main contrib\n";
        let archive = from_lines(text);
        assert_eq!(
            archive.map(|archive| archive.line("trixie")),
            Some("deb [signed-by=/k.gpg trusted=yes] http://m.invalid/debian trixie main".to_owned())
        );
        assert_eq!(from_lines("deb http://u.invalid noble main"), None);
    }

    #[test]
    fn only_ways_of_access_are_taken_over() {
        let dump = "APT \"\";\nAcquire::http::Proxy \"http://p.invalid:3128\";\nAcquire::IndexTargets::deb \"\";\n\
                    DPkg::Post-Invoke:: \"rm -f x\";\nAcquire::Check-Date \"false\";\n";
        assert_eq!(acquisition_options(dump), "Acquire::http::Proxy \"http://p.invalid:3128\";\nAcquire::Check-Date \"false\";\n");
    }
}
