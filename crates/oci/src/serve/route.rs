//! What a request asks for.

use barque_model::Digest;
use http::Method;
use percent_encoding::percent_decode_str;

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Whether this is a registry.
    Root,
    /// A manifest of a repository.
    Manifest { name: Name, reference: Reference },
    /// A blob of a repository.
    Blob { name: Name, digest: Digest },
    /// The tags of a repository.
    Tags { name: Name, count: Option<usize>, last: Option<String> },
    /// The bundle's manifest.
    BundleManifest,
    /// Its signature.
    BundleSignature,
    /// What has this SHA-256 of the bundle's own contents.
    Artifact { digest: Digest },
}

/// A repository: the path that images have behind their registry's name, and that name where the client tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) path: String,
    /// containerd says to a mirror for whom it stands, by the parameter `ns`.
    pub(super) host: Option<String>,
}

/// How a manifest is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

/// Why there is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// Only reading is possible here.
    Method,
    /// There is nothing at this path.
    Nothing,
    /// A digest that is none, or not of SHA-256.
    Digest,
}

/// Reads a request line.
pub(super) fn route(method: &Method, path: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    if method != Method::GET && method != Method::HEAD {
        return Err(NoRoute::Method);
    }
    let path = decoded(path).ok_or(NoRoute::Nothing)?;
    if let Some(rest) = path.strip_prefix("/artifacts/") {
        return match rest {
            "manifest.json" => Ok(Route::BundleManifest),
            "manifest.json.minisig" => Ok(Route::BundleSignature),
            _ => Ok(Route::Artifact { digest: rest.parse().map_err(|_| NoRoute::Nothing)? }),
        };
    }
    let rest = path.strip_prefix("/v2").ok_or(NoRoute::Nothing)?;
    if rest.is_empty() || rest == "/" {
        return Ok(Route::Root);
    }
    let (rest, last) = rest.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')).ok_or(NoRoute::Nothing)?;
    let name = |path: &str| Name { path: path.to_owned(), host: parameter(query, "ns").filter(|host| !host.is_empty()) };
    if let Some(path) = rest.strip_suffix("/manifests") {
        let reference = if last.contains(':') { Reference::Digest(digest(last)?) } else { Reference::Tag(last.to_owned()) };
        Ok(Route::Manifest { name: name(path), reference })
    } else if let Some(path) = rest.strip_suffix("/blobs") {
        Ok(Route::Blob { name: name(path), digest: digest(last)? })
    } else if let (Some(path), "list") = (rest.strip_suffix("/tags"), last) {
        let count = parameter(query, "n").and_then(|count| count.parse().ok());
        Ok(Route::Tags { name: name(path), count, last: parameter(query, "last") })
    } else {
        Err(NoRoute::Nothing)
    }
}

fn digest(text: &str) -> Result<Digest, NoRoute> {
    text.strip_prefix("sha256:").and_then(|digits| digits.parse().ok()).ok_or(NoRoute::Digest)
}

fn parameter(query: Option<&str>, wanted: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn get(target: &str) -> Result<Route, NoRoute> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        route(&Method::GET, path, query)
    }

    fn name(path: &str, host: Option<&str>) -> Name {
        Name { path: path.to_owned(), host: host.map(ToOwned::to_owned) }
    }

    #[test]
    fn everything_that_there_is() {
        let digest = Digest::of(b"x");
        assert_eq!(get("/v2/"), Ok(Route::Root));
        assert_eq!(get("/v2"), Ok(Route::Root));
        let tag = Reference::Tag("v1.14.7".into());
        let manifest = Route::Manifest { name: name("coredns/coredns", Some("r.example:5000")), reference: tag };
        assert_eq!(get("/v2/coredns/coredns/manifests/v1.14.7?ns=r.example%3A5000"), Ok(manifest));
        for sign in [":", "%3A"] {
            let manifest = Route::Manifest { name: name("pause", None), reference: Reference::Digest(digest) };
            assert_eq!(get(&format!("/v2/pause/manifests/sha256{sign}{digest}")), Ok(manifest));
        }
        assert_eq!(get(&format!("/v2/a/manifests/blobs/sha256:{digest}")), Ok(Route::Blob { name: name("a/manifests", None), digest }));
        let tags = Route::Tags { name: name("a/b", None), count: Some(2), last: Some("v1".into()) };
        assert_eq!(get("/v2/a/b/tags/list?n=2&last=v1"), Ok(tags));
        assert_eq!(get("/artifacts/manifest.json"), Ok(Route::BundleManifest));
        assert_eq!(get("/artifacts/manifest.json.minisig"), Ok(Route::BundleSignature));
        assert_eq!(get(&format!("/artifacts/{digest}")), Ok(Route::Artifact { digest }));
    }

    #[test]
    fn and_nothing_else() {
        for target in
            ["/", "/v1/", "/v2x", "/v2/_catalog", "/v2/a/tags/all", "/v2/a/blobs/uploads/x", "/artifacts/../etc/passwd", "/artifacts/"]
        {
            assert!(matches!(get(target), Err(NoRoute::Nothing | NoRoute::Digest)), "{target}");
        }
        assert_eq!(get("/v2/a/blobs/sha512:00"), Err(NoRoute::Digest));
        assert_eq!(get("/v2/a/manifests/sha256:00"), Err(NoRoute::Digest));
        assert_eq!(get("/v2/%ff/tags/list"), Err(NoRoute::Nothing));
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            assert_eq!(route(&method, "/v2/", None), Err(NoRoute::Method));
        }
    }
}
