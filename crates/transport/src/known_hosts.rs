//! Reads known_hosts files as sshd(8) describes them.
//!
//! russh's own reader skips markers, wildcards and negation without a word, which is not how a host key may be judged.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::error::ConnectError;

/// The key lines of some files, in order.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts {
    entries: Vec<Entry>,
}

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    marker: Option<Marker>,
    hosts: Hosts,
    /// Such as `ssh-ed25519`.
    pub(crate) key_type: String,
    /// The key as in the SSH protocol.
    pub(crate) blob: Vec<u8>,
    /// Where the line stands.
    pub(crate) file: PathBuf,
    /// Its number, from 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    CertAuthority,
    Revoked,
}

#[derive(Debug, Clone)]
enum Hosts {
    /// HMAC-SHA1 of the name, keyed with the salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Patterns, each with whether it is negated.
    Patterns(Vec<(bool, String)>),
}

/// What the files say about a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the known key.
    Trusted,
    /// No line names the host.
    Unknown,
    /// Lines name the host, with other keys.
    Changed {
        /// Type and fingerprint of each.
        expected: Vec<String>,
        /// The first such line.
        file: PathBuf,
        /// Its number.
        line: usize,
    },
    /// A line revokes the key.
    Revoked {
        /// File and line.
        place: String,
    },
}

/// The name under which known_hosts files list a host: `host`, or `[host]:port` for another port than 22.
pub(crate) fn lookup_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// `SHA256:…` as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

impl KnownHosts {
    /// Reads `files`; one that does not exist counts as empty, one that cannot be read is an error.
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Self, ConnectError> {
        let mut known = Self::default();
        for file in files {
            match fs_err::read(file) {
                Ok(content) => known.parse(&String::from_utf8_lossy(&content), file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConnectError::KnownHosts { path: file.to_owned(), source }),
            }
        }
        Ok(known)
    }

    /// Adds the lines of one file. Lines that cannot be read are skipped, as OpenSSH does: they can only make a host unknown.
    pub(crate) fn parse(&mut self, content: &str, file: &Path) {
        for (index, text) in content.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(entry) = Entry::parse(text, file, index + 1) {
                self.entries.push(entry);
            } else {
                tracing::warn!(file = %file.display(), line = index + 1, "known_hosts line is malformed and skipped");
            }
        }
    }

    /// Judges a bare key that `name` (see [`lookup_name`]) shows.
    pub(crate) fn verify(&self, name: &str, blob: &[u8]) -> Verdict {
        if let Some(entry) = self.revoked(name, blob) {
            return Verdict::Revoked { place: entry.place() };
        }
        let mut keys = self.keys(name).peekable();
        let Some(first) = keys.peek().map(|entry| (entry.file.clone(), entry.line)) else { return Verdict::Unknown };
        let known: Vec<&Entry> = keys.collect();
        if known.iter().any(|entry| entry.blob == blob) {
            return Verdict::Trusted;
        }
        // A key of another type counts as changed too: else whoever stands in between only had to show a type not yet seen.
        Verdict::Changed {
            expected: known.iter().map(|entry| format!("{} {}", entry.key_type, fingerprint(&entry.blob))).collect(),
            file: first.0,
            line: first.1,
        }
    }

    /// The line that revokes `blob` for `name`.
    pub(crate) fn revoked(&self, name: &str, blob: &[u8]) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.marker == Some(Marker::Revoked) && entry.blob == blob && entry.hosts.matches(name))
    }

    /// Lines with plain keys for `name`.
    pub(crate) fn keys<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.of(name, None)
    }

    /// Lines with certificate authorities for `name`.
    pub(crate) fn authorities<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.of(name, Some(Marker::CertAuthority))
    }

    fn of<'a>(&'a self, name: &'a str, marker: Option<Marker>) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.marker == marker && entry.hosts.matches(name))
    }
}

impl Entry {
    fn parse(text: &str, file: &Path, line: usize) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut hosts = words.next()?;
        let marker = match hosts {
            "@cert-authority" => Some(Marker::CertAuthority),
            "@revoked" => Some(Marker::Revoked),
            unknown if unknown.starts_with('@') => return None,
            _ => None,
        };
        if marker.is_some() {
            hosts = words.next()?;
        }
        let key_type = words.next()?.to_owned();
        let blob = STANDARD.decode(words.next()?).ok()?;
        // The blob begins with the name of its type, four bytes of length before it.
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let inner = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        if inner != key_type.as_bytes() {
            return None;
        }
        Some(Self { marker, hosts: Hosts::parse(hosts)?, key_type, blob, file: file.to_owned(), line })
    }

    /// File and line, for people.
    pub(crate) fn place(&self) -> String {
        format!("`{}` line {}", self.file.display(), self.line)
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("|1|") {
            let (salt, hash) = rest.split_once('|')?;
            return Some(Self::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? });
        }
        let pattern = |part: &str| match part.strip_prefix('!') {
            Some(rest) => (true, rest.to_ascii_lowercase()),
            None => (false, part.to_ascii_lowercase()),
        };
        Some(Self::Patterns(text.split(',').filter(|part| !part.is_empty()).map(pattern).collect()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                hmac::verify(&key, name.as_bytes(), hash).is_ok()
            }
            Self::Patterns(patterns) => {
                // A negated pattern that matches wins over all others in the line.
                let hit = |(_, pattern): &&(bool, String)| wildcard(pattern.as_bytes(), name.as_bytes());
                !patterns.iter().filter(|(negated, _)| *negated).any(|pattern| hit(&pattern))
                    && patterns.iter().filter(|(negated, _)| !*negated).any(|pattern| hit(&pattern))
            }
        }
    }
}

/// Matches `*` (any run) and `?` (one character); everything else stands for itself.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, position));
                at += 1;
            }
            Some(&c) if c == b'?' || c == text[position] => {
                at += 1;
                position += 1;
            }
            _ => match retry {
                // Let the last star take one character more.
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    at = star + 1;
                    position = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
