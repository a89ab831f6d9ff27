//! What is answered to a request.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LINK, RANGE, WWW_AUTHENTICATE,
};
use http::response::Builder;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::json;

use super::catalog::{Catalog, Manifest, NoManifest, Source};
use super::range::{Part, part};
use super::route::{Name, NoRoute, Reference, Route, route};

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const DIGEST: &str = "docker-content-digest";

/// What follows the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// These bytes.
    Text(Bytes),
    /// Those that lie there.
    Source(Source),
}

/// Answers a request that may be answered.
pub(super) fn answer(catalog: &Catalog, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Content> {
    let found = match route(method, uri.path(), uri.query()) {
        Ok(route) => routed(catalog, route, headers),
        // What the client sends with it is not read, so the connection cannot go on.
        Err(NoRoute::Method) => {
            let answer = Response::builder().header(ALLOW, "GET, HEAD").header(CONNECTION, "close");
            failure(answer, StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is read-only: it hands out what is in a bundle")
        }
        Err(NoRoute::Nothing) => missing("NOT_FOUND", "there is nothing at this path"),
        Err(NoRoute::Digest) => {
            failure(Response::builder(), StatusCode::BAD_REQUEST, "DIGEST_INVALID", "a digest is `sha256:` and 64 hexadecimal digits")
        }
    };
    if method == Method::HEAD { without_content(found) } else { found }
}

/// Answers a request of somebody who has to say who they are.
pub(super) fn unauthorized() -> Response<Content> {
    let answer = Response::builder().header(WWW_AUTHENTICATE, r#"Basic realm="barque", charset="UTF-8""#);
    failure(answer, StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "a user and a password are needed")
}

/// Answers when the bundle cannot be read.
pub(super) fn broken() -> Response<Content> {
    let answer = Response::builder().header(CONNECTION, "close");
    failure(answer, StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "the bundle cannot be read; the log of the server says why")
}

fn routed(catalog: &Catalog, route: Route, headers: &HeaderMap) -> Response<Content> {
    match route {
        Route::Root => {
            let answer = Response::builder().header("docker-distribution-api-version", "registry/2.0").header(CONTENT_TYPE, JSON);
            text(answer, Bytes::from_static(b"{}"))
        }
        Route::Manifest { name, reference } => manifest(catalog, &name, &reference),
        Route::Blob { name, digest } => match catalog.blob(&name, &digest) {
            Some(source) => source_part(source, &digest.to_string(), headers),
            None => missing("BLOB_UNKNOWN", &format!("`{}` has no blob sha256:{digest}", name.path)),
        },
        Route::Tags { name, count, last } => tags(catalog, &name, count, last.as_deref()),
        Route::BundleManifest => text(Response::builder().header(CONTENT_TYPE, JSON), catalog.manifest.clone()),
        Route::BundleSignature => match &catalog.signature {
            Some(signature) => text(Response::builder().header(CONTENT_TYPE, "text/plain"), signature.clone()),
            None => missing("NOT_FOUND", "the bundle is not signed"),
        },
        Route::Artifact { digest } => match catalog.artifact(&digest) {
            Some(source) => source_part(source, &digest.to_string(), headers),
            None => missing("NOT_FOUND", "no content of the bundle has this SHA-256"),
        },
    }
}

fn manifest(catalog: &Catalog, name: &Name, reference: &Reference) -> Response<Content> {
    match catalog.manifest(name, reference) {
        Ok(Manifest { digest, media_type, text: content }) => {
            let answer = Response::builder().header(DIGEST, format!("sha256:{digest}")).header(ETAG, etag(&digest.to_string()));
            text(answer.header(CONTENT_TYPE, media_type), content.clone())
        }
        Err(NoManifest::Name) => missing("NAME_UNKNOWN", &format!("the bundle has no image `{}`", name.path)),
        Err(NoManifest::Reference) => {
            missing("MANIFEST_UNKNOWN", &format!("the bundle has `{}`, but not this tag or digest of it", name.path))
        }
        Err(NoManifest::Ambiguous { hosts }) => {
            let hosts = hosts.join(", ");
            missing("MANIFEST_UNKNOWN", &format!("several registries have `{}`: say which one with `?ns=`, of {hosts}", name.path))
        }
    }
}

fn tags(catalog: &Catalog, name: &Name, count: Option<usize>, last: Option<&str>) -> Response<Content> {
    let Some(all) = catalog.tags(name) else {
        return missing("NAME_UNKNOWN", &format!("the bundle has no image `{}`", name.path));
    };
    let rest: Vec<&str> = all.into_iter().filter(|tag| last.is_none_or(|last| *tag > last)).collect();
    let shown = &rest[..count.unwrap_or(rest.len()).min(rest.len())];
    let mut answer = Response::builder().header(CONTENT_TYPE, JSON);
    if let (true, Some(tag)) = (shown.len() < rest.len(), shown.last()) {
        let host = name.host.as_ref().map(|host| format!("&ns={host}")).unwrap_or_default();
        answer = answer.header(LINK, format!("</v2/{}/tags/list?n={}&last={tag}{host}>; rel=\"next\"", name.path, shown.len()));
    }
    text(answer, json!({"name": name.path, "tags": shown}).to_string().into())
}

/// A content, or the part of it that `headers` ask for.
fn source_part(source: Source, digest: &str, headers: &HeaderMap) -> Response<Content> {
    let header = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let (size, etag) = (source.span.size, etag(digest));
    let answer = Response::builder().header(DIGEST, format!("sha256:{digest}")).header(ETAG, &etag).header(ACCEPT_RANGES, "bytes");
    // A part of another content than the client has the beginning of would be no use.
    let wanted = if header(IF_RANGE).is_none_or(|known| known == etag) { header(RANGE) } else { None };
    let (answer, source) = match part(wanted, size) {
        Part::Whole => (answer, source),
        Part::Range { start, size: length } => {
            let mut source = source;
            source.span.start += start;
            source.span.size = length;
            let range = format!("bytes {start}-{}/{size}", start + length - 1);
            (answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range), source)
        }
        Part::Outside => {
            let answer = answer.header(CONTENT_RANGE, format!("bytes */{size}"));
            return failure(answer, StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", "the range is behind the end");
        }
    };
    finished(answer.header(CONTENT_TYPE, BYTES).header(CONTENT_LENGTH, source.span.size), Content::Source(source))
}

fn etag(digest: &str) -> String {
    format!("\"sha256:{digest}\"")
}

fn missing(code: &str, message: &str) -> Response<Content> {
    failure(Response::builder(), StatusCode::NOT_FOUND, code, message)
}

/// An error in the form of the distribution specification.
fn failure(answer: Builder, status: StatusCode, code: &str, message: &str) -> Response<Content> {
    let content = json!({"errors": [{"code": code, "message": message}]}).to_string();
    text(answer.status(status).header(CONTENT_TYPE, JSON), content.into())
}

fn text(answer: Builder, content: Bytes) -> Response<Content> {
    finished(answer.header(CONTENT_LENGTH, content.len()), Content::Text(content))
}

fn finished(answer: Builder, content: Content) -> Response<Content> {
    answer.body(content).unwrap_or_else(|_| {
        // A name with what no header can have.
        let mut answer = Response::new(Content::Text(Bytes::new()));
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer
    })
}

/// The same headers, as `HEAD` wants them.
fn without_content(answer: Response<Content>) -> Response<Content> {
    answer.map(|_| Content::Text(Bytes::new()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use barque_bundle::{Architecture, Span};
    use barque_model::Digest;

    use super::super::catalog::tests::{catalog, image};
    use super::*;

    fn ask(method: &Method, target: &str, headers: &[(http::HeaderName, &str)]) -> Response<Content> {
        let images = [image("r.example/a/b", "v1", Architecture::Amd64), image("r.example/a/b", "v2", Architecture::Amd64)];
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        answer(&catalog(&images), method, &target.parse().unwrap(), &headers)
    }

    fn get(target: &str) -> Response<Content> {
        ask(&Method::GET, target, &[])
    }

    fn header<'a>(answer: &'a Response<Content>, name: &str) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn body(answer: &Response<Content>) -> &str {
        let Content::Text(text) = answer.body() else { panic!("no text") };
        std::str::from_utf8(text).unwrap()
    }

    #[test]
    fn a_manifest_by_tag_and_its_head() {
        let found = get("/v2/a/b/manifests/v1");
        assert_eq!(found.status(), StatusCode::OK);
        assert_eq!(header(&found, DIGEST), format!("sha256:{}", Digest::of(body(&found).as_bytes())));
        assert_eq!(header(&found, "content-type"), "application/vnd.oci.image.manifest.v1+json");
        let head = ask(&Method::HEAD, "/v2/a/b/manifests/v1", &[]);
        assert_eq!((head.headers(), body(&head)), (found.headers(), ""));
    }

    #[test]
    fn a_blob_and_parts_of_it() {
        let digest = Digest::of(b"r.example/a/b:v1 amd64 blob");
        let target = format!("/v2/a/b/blobs/sha256:{digest}");
        let etag = format!("\"sha256:{digest}\"");
        let spans = |headers: &[(http::HeaderName, &str)]| {
            let answer = ask(&Method::GET, &target, headers);
            let Content::Source(source) = answer.body() else { panic!("{}", answer.status()) };
            (
                answer.status().as_u16(),
                source.span,
                header(&answer, "content-range").to_owned(),
                header(&answer, "content-length").to_owned(),
            )
        };
        let whole = (200, Span { start: 512, size: 10 }, String::new(), "10".to_owned());
        let middle = (206, Span { start: 515, size: 2 }, "bytes 3-4/10".to_owned(), "2".to_owned());
        assert_eq!(spans(&[]), whole);
        assert_eq!(spans(&[(RANGE, "bytes=3-4")]), middle);
        assert_eq!(spans(&[(RANGE, "bytes=3-4"), (IF_RANGE, &etag)]), middle);
        assert_eq!(spans(&[(RANGE, "bytes=3-4"), (IF_RANGE, "\"other\"")]), whole);
        let outside = ask(&Method::GET, &target, &[(RANGE, "bytes=10-")]);
        assert_eq!((outside.status().as_u16(), header(&outside, "content-range")), (416, "bytes */10"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (target, status, code) in [
            ("/v2/a/c/manifests/v1", 404, "NAME_UNKNOWN"),
            ("/v2/a/b/manifests/v3", 404, "MANIFEST_UNKNOWN"),
            ("/v2/a/b/manifests/v1?ns=other.example", 404, "NAME_UNKNOWN"),
            ("/v2/a/b/manifests/sha256:12", 400, "DIGEST_INVALID"),
            ("/v2/a/c/tags/list", 404, "NAME_UNKNOWN"),
            ("/v2/_catalog", 404, "NOT_FOUND"),
            ("/artifacts/manifest.json.minisig", 404, "NOT_FOUND"),
        ] {
            let found = get(target);
            assert_eq!(found.status().as_u16(), status, "{target}");
            assert!(body(&found).contains(&format!(r#""code":"{code}""#)), "{target}: {}", body(&found));
        }
        let none = get(&format!("/v2/a/b/blobs/sha256:{}", Digest::of(b"none")));
        assert!(body(&none).contains("BLOB_UNKNOWN"));
        let refused = ask(&Method::PUT, "/v2/a/b/manifests/v1", &[]);
        assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, "GET, HEAD"));
    }

    #[test]
    fn tags_come_in_pages() {
        assert_eq!(body(&get("/v2/a/b/tags/list")), r#"{"name":"a/b","tags":["v1","v2"]}"#);
        let first = get("/v2/a/b/tags/list?n=1");
        assert_eq!(body(&first), r#"{"name":"a/b","tags":["v1"]}"#);
        assert_eq!(header(&first, "link"), r#"</v2/a/b/tags/list?n=1&last=v1>; rel="next""#);
        let last = get("/v2/a/b/tags/list?n=1&last=v1");
        assert_eq!((body(&last), header(&last, "link")), (r#"{"name":"a/b","tags":["v2"]}"#, ""));
        assert_eq!(body(&get("/v2/a/b/tags/list?n=0")), r#"{"name":"a/b","tags":[]}"#);
    }
}
