//! References of images, in full.
//!
//! The grammar is that of `github.com/distribution/reference`: a domain, a path in small letters, a tag or digest.

use crate::labels;
use crate::registry_address::is_host;
use crate::report::{Located, Report};

const HINT: &str = "write it in full: REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:DIGEST, such as registry.k8s.io/pause:3.10";

/// The reference, when it is one in full: nothing is left to a default.
pub(crate) fn checked(text: Located<String>, report: &mut Report) -> Option<Located<String>> {
    match fault(&text.value) {
        None => Some(text),
        Some(fault) => {
            report.error(text.place, format!("`{}` {fault}", text.value), HINT);
            None
        }
    }
}

/// The registry that a reference names; `None` when it names none.
pub(crate) fn host_of(reference: &str) -> Option<&str> {
    let (host, _) = reference.split_once('/')?;
    (host == "localhost" || host.contains(['.', ':'])).then_some(host)
}

fn fault(text: &str) -> Option<&'static str> {
    let Some(host) = host_of(text) else { return Some("names no registry") };
    let rest = text.get(host.len() + 1..).unwrap_or_default();
    if !is_host(host) {
        return Some("does not begin with a registry");
    }
    let (named, digest) = match rest.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (rest, None),
    };
    let (path, tag) = match named.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (named, None),
    };
    let component = |part: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let ends = [part.bytes().next(), part.bytes().last()];
        !part.is_empty() && part.bytes().all(inside) && ends.into_iter().flatten().all(|byte| byte.is_ascii_alphanumeric())
    };
    if path.is_empty() || path.len() > 255 || !path.split('/').all(component) {
        return Some("has a path that no image has");
    }
    // A tag is written as a label's value is, and may begin with `_` and be longer.
    let is_tag = |tag: &str| {
        !tag.is_empty()
            && tag.len() <= 128
            && !tag.starts_with(['.', '-'])
            && tag.split(['.', '-', '_']).all(|part| labels::value_fault(part).is_none())
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("has a tag that no image has");
    }
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match (tag, digest) {
        (_, Some(digest)) if !is_digest(digest) => Some("has a digest that is none of sha256"),
        (None, None) => Some("has neither a tag nor a digest"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_in_full() {
        let digest = format!("registry.example:5000/a/b@sha256:{}", "0a".repeat(32));
        for good in ["registry.k8s.io/pause:3.10.2", "docker.io/library/busybox:1.37", "localhost/x:_a", digest.as_str()] {
            assert_eq!(fault(good), None, "{good}");
        }
        let bad = [
            "",
            "busybox",
            "library/busybox:1",
            "docker.io/",
            "docker.io/x",
            "docker.io/X:1",
            "docker.io/x:",
            "docker.io/x:-",
            "docker.io/x:a b",
            "docker.io/x@sha256:1",
            "docker.io/a//b:1",
            "-a.b/x:1",
        ];
        for text in bad {
            assert!(fault(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_folder_of_docker_hub_is_no_registry() {
        assert_eq!(host_of("library/busybox"), None);
        assert_eq!(host_of("registry.example/x"), Some("registry.example"));
        assert_eq!(host_of("busybox"), None);
    }
}
