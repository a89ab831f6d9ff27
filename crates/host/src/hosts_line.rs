//! Lines of `/etc/hosts`.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use barque_plan::{HostsLine, Observed};
use fs_err as fs;

use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::{Attributes, replace_file};

/// Marks barque's own lines.
const MARK: &str = "# barque";
/// The file.
pub(crate) const HOSTS: &str = "/etc/hosts";

/// One line as hosts(5) reads it.
struct Entry<'a> {
    address: Option<IpAddr>,
    names: Vec<&'a str>,
    ours: bool,
}

fn parse(line: &str) -> Entry<'_> {
    let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
    Entry { address: words.next().and_then(|word| word.parse().ok()), names: words.collect(), ours: line.trim_end().ends_with(MARK) }
}

/// Whether `/etc/hosts` has an address for `name`.
pub(crate) fn knows(context: &HostContext, name: &str) -> bool {
    let text = fs::read_to_string(context.path(HOSTS)).unwrap_or_default();
    text.lines().map(parse).any(|entry| entry.address.is_some() && entry.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The lines of a text, each with its end, so that what is not barque's stays byte for byte.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], Cow<'_, str>)> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| (line, String::from_utf8_lossy(line)))
}

/// Observes whether all names lead to the address.
pub(crate) fn observe(context: &HostContext, wanted: &HostsLine) -> Result<Observed, HostError> {
    let text = String::from_utf8_lossy(&read(context)?.unwrap_or_default()).into_owned();
    let address = address(wanted)?;
    let entries: Vec<_> = text.lines().map(parse).filter(|entry| entry.address == Some(address)).collect();
    let known = |name: &String| entries.iter().any(|entry| entry.names.iter().any(|known| known.eq_ignore_ascii_case(name)));
    Ok(if wanted.names.iter().all(known) { Observed::HostsLine } else { Observed::Absent })
}

/// Appends a line of ours, in place of earlier ones for these names.
pub(crate) fn apply(context: &HostContext, wanted: &HostsLine) -> Result<Vec<String>, HostError> {
    let address = address(wanted)?;
    let _guard = context.hosts_lock().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let text = read(context)?.unwrap_or_default();
    let Parted { mut rest, .. } = part(&text, wanted);
    let mut notes = Vec::new();
    for (_, line) in lines(&rest) {
        let entry = parse(&line);
        let named: Vec<&str> = entry.names.iter().copied().filter(|name| is_one_of(name, wanted)).collect();
        match entry.address {
            _ if named.is_empty() => {}
            // Debian gives a host's own name a loopback address; the line does no harm to Kubernetes and is not ours.
            Some(other) if other != address && other.is_loopback() => {
                notes.push(format!("{} also has the address {other} in {HOSTS}, by a line that is not barque's", named.join(" ")));
            }
            Some(other) if other != address && other.is_ipv4() == address.is_ipv4() => {
                return Err(HostError::Refused {
                    message: format!("{HOSTS} gives {} the address {other}, not {address}", named.join(" ")),
                    hint: format!("correct or remove the line `{}` in {HOSTS} on the host, then run `barque up` again", line.trim()),
                });
            }
            _ => {}
        }
    }
    end_line(&mut rest);
    let names: Vec<&str> = wanted.names.iter().map(String::as_str).collect();
    rest.extend_from_slice(format_line(address, &names).as_bytes());
    write(context, &rest)?;
    Ok(notes)
}

/// A text, taken apart for the names of one resource.
pub(crate) struct Parted {
    /// What is left without them, byte for byte but for lines of barque's that had other names too.
    pub(crate) rest: Vec<u8>,
    /// barque's lines for them.
    pub(crate) own: Vec<String>,
}

/// Takes barque's lines for the names of `wanted` out of a text.
pub(crate) fn part(text: &[u8], wanted: &HostsLine) -> Parted {
    let mut parted = Parted { rest: Vec::with_capacity(text.len() + 64), own: Vec::new() };
    for (bytes, line) in lines(text) {
        let entry = parse(&line);
        let (named, others): (Vec<&str>, Vec<&str>) = entry.names.iter().partition(|name| is_one_of(name, wanted));
        match entry.address {
            Some(address) if entry.ours && !named.is_empty() => {
                parted.own.push(format_line(address, &named));
                if !others.is_empty() {
                    parted.rest.extend_from_slice(format_line(address, &others).as_bytes());
                }
            }
            _ => parted.rest.extend_from_slice(bytes),
        }
    }
    parted
}

/// A text without any line of barque's.
pub(crate) fn foreign(text: &[u8]) -> Vec<u8> {
    lines(text).filter(|(_, line)| !parse(line).ours).flat_map(|(bytes, _)| bytes).copied().collect()
}

fn is_one_of(name: &str, wanted: &HostsLine) -> bool {
    wanted.names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Ends the last line of a text, as a line can only be added behind a whole one.
pub(crate) fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
}

fn format_line(address: IpAddr, names: &[&str]) -> String {
    format!("{address} {} {MARK}\n", names.join(" "))
}

fn address(wanted: &HostsLine) -> Result<IpAddr, HostError> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{}` is not an IP address", wanted.address));
    Ok(wanted.address.parse().map_err(|_| invalid())?)
}

/// The file's content, through a link should it be one; `None` when there is none.
pub(crate) fn read(context: &HostContext) -> Result<Option<Vec<u8>>, HostError> {
    match fs::read(context.path(HOSTS)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Replaces the file, with the mode and owner that it has.
pub(crate) fn write(context: &HostContext, content: &[u8]) -> Result<(), HostError> {
    let path = context.path(HOSTS);
    let attributes = match fs::metadata(&path) {
        Ok(metadata) => Attributes { mode: metadata.permissions().mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() },
        Err(_) => Attributes { mode: 0o644, uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() },
    };
    match replace_file(context, &path, content, attributes) {
        // A container's /etc/hosts is a mount, which cannot be renamed over. The journal has a copy of what was there.
        Err(HostError::Io(error)) if error.kind() == io::ErrorKind::ResourceBusy => Ok(fs::write(&path, content)?),
        other => other.map_err(|error| error.or_no_space(context, HOSTS)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(address: &str, names: &[&str]) -> HostsLine {
        HostsLine { address: address.into(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn root(text: &str) -> (tempfile::TempDir, HostContext) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/hosts"), text).unwrap();
        let context = HostContext::new(root.path());
        (root, context)
    }

    #[test]
    fn appends_and_replaces_its_own_lines_only() {
        let (_root, context) = root("127.0.0.1 localhost\n10.0.0.1 m1 api # barque\n# note\n");
        assert_eq!(observe(&context, &line("10.0.0.2", &["m1"])).unwrap(), Observed::Absent);
        apply(&context, &line("10.0.0.2", &["m1"])).unwrap();
        assert_eq!(
            fs::read_to_string(context.path(HOSTS)).unwrap(),
            "127.0.0.1 localhost\n10.0.0.1 api # barque\n# note\n10.0.0.2 m1 # barque\n"
        );
        assert_eq!(observe(&context, &line("10.0.0.2", &["m1"])).unwrap(), Observed::HostsLine);
    }

    #[test]
    fn what_is_not_barques_stays_byte_for_byte() {
        let (_root, context) = root("");
        fs::write(context.path(HOSTS), b"127.0.0.1\tlocalhost \r\n# caf\xe9\n10.1.1.1 other").unwrap();
        apply(&context, &line("10.0.0.2", &["m1"])).unwrap();
        let text = fs::read(context.path(HOSTS)).unwrap();
        assert_eq!(text, b"127.0.0.1\tlocalhost \r\n# caf\xe9\n10.1.1.1 other\n10.0.0.2 m1 # barque\n");
    }

    #[test]
    fn refuses_a_foreign_address_and_notes_a_loopback_one() {
        let (_root, context) = root("10.9.9.9 m1 # by hand\n127.0.1.1 m2\n");
        let error = apply(&context, &line("10.0.0.1", &["m1"])).unwrap_err();
        assert!(matches!(error, HostError::Refused { message, .. } if message == "/etc/hosts gives m1 the address 10.9.9.9, not 10.0.0.1"));
        let notes = apply(&context, &line("10.0.0.2", &["m2"])).unwrap();
        assert_eq!(notes.len(), 1);
        assert!(knows(&context, "M2") && !knows(&context, "m3"));
    }
}
