//! Where a bundle lies in a registry.

use std::fmt;
use std::str::FromStr;

use oci_client::Reference;

/// How people write a place in a registry, in front of the reference.
pub const SCHEME: &str = "oci://";

const FORM: &str = "oci://HOST[:PORT]/NAME:TAG or …@sha256:DIGEST";

/// A bundle's place: registry, repository, and tag or digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Reference);

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no place in a registry: {reason}; write it as {form}")]
pub struct InvalidPlace {
    pub(crate) text: String,
    pub(crate) reason: String,
    pub(crate) form: &'static str,
}

impl Place {
    /// The registry's host, with its port when one is given.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Registry and repository, without tag and digest.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.0.registry(), self.0.repository())
    }

    /// The digest that pins the manifest, `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    pub(crate) const fn of(reference: Reference) -> Self {
        Self(reference)
    }

    pub(crate) const fn reference(&self) -> &Reference {
        &self.0
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason: &str| InvalidPlace { text: text.to_owned(), reason: reason.to_owned(), form: FORM };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (host, name) = rest.split_once('/').ok_or_else(|| wrong("it has no name after the registry"))?;
        if !is_registry(host) {
            return Err(wrong("its registry has no dot and no port"));
        }
        if !name.contains(':') && !name.contains('@') {
            return Err(wrong("it has neither a tag nor a digest"));
        }
        let reference: Reference = rest.parse().map_err(|error: oci_client::ParseError| wrong(&error.to_string()))?;
        Ok(Self(reference))
    }
}

/// Whether a name is that of a registry: Docker's short forms would lead to Docker Hub.
pub(crate) fn is_registry(host: &str) -> bool {
    host.contains(['.', ':']) || host == "localhost"
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}", self.0.whole())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_read_and_the_rest_says_why() {
        let digest = "a".repeat(64);
        for text in [
            "oci://registry.example:5000/ops/cluster:1",
            "oci://10.0.0.1:30500/bundle:1.37.2",
            &format!("oci://r.example/b@sha256:{digest}"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let wrong = |text: &str| text.parse::<Place>().unwrap_err().reason;
        assert_eq!(wrong("https://r.example/b:1"), "it does not begin with oci://");
        assert_eq!(wrong("oci://r.example"), "it has no name after the registry");
        assert_eq!(wrong("oci://ops/cluster:1"), "its registry has no dot and no port");
        assert_eq!(wrong("oci://r.example/b"), "it has neither a tag nor a digest");
        assert!(!wrong("oci://r.example/B:1").is_empty());
    }
}
