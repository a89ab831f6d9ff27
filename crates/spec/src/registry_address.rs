//! Addresses of registries and mirrors.

use crate::labels;
use crate::report::{Located, Report};

const URL_HINT: &str = "write https://HOST[:PORT][/PATH]";

/// Whether `text` is a host name or IPv4 address, with a port if it has one.
pub(crate) fn is_host(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    labels::is_dns_name(host) && port.is_none_or(|port| digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A mirror's URL, without a `/` at its end; `plain` says whether it may be one without TLS.
pub(crate) fn url(text: Located<String>, plain: bool, report: &mut Report) -> Option<Located<String>> {
    let Located { value, place } = text;
    let (scheme, rest) = value.split_once("://").unwrap_or(("", &value));
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        // A password may be in it.
        report.hide(place);
        report.error(place, "the URL has a user in it", "write it without, and add `username` and `passwordFile`");
        return None;
    }
    let path = rest.get(authority.len()..).unwrap_or_default().trim_end_matches('/');
    let allowed = |character: char| character.is_ascii_alphanumeric() || "/._~-".contains(character);
    let path_is_right = path.chars().all(allowed) && path.split('/').all(|part| part != "." && part != "..") && !path.contains("//");
    if !matches!(scheme, "https" | "http") || !is_host(authority) || !path_is_right {
        report.error(place, format!("`{value}` is not the URL of a mirror"), URL_HINT);
        return None;
    }
    match (scheme, plain) {
        ("http", false) => {
            let message = format!("mirror `{value}` is without TLS: whoever is on the way can read and change images");
            report.error(place, message, "write https://, or add `plainHttp: true` if that is meant");
            return None;
        }
        ("http", true) => {
            let message = format!("mirror `{value}` is used without TLS: whoever is on the way can read and change images");
            report.warn(place, message, "use https:// where the mirror has it");
        }
        ("https", true) => {
            report.error(place, "`plainHttp` is `true`, and the URL is one with TLS", "write http://, or remove `plainHttp`");
            return None;
        }
        _ => {}
    }
    Some(Located { value: format!("{scheme}://{authority}{path}"), place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Place;

    fn taken(text: &str, plain: bool) -> Option<String> {
        let mut report = Report::new("test.yaml", text);
        url(Located { value: text.to_owned(), place: Place::START }, plain, &mut report).map(|found| found.value)
    }

    #[test]
    fn urls_are_taken_in_one_form() {
        assert_eq!(taken("https://mirror.example/", false).as_deref(), Some("https://mirror.example"));
        assert_eq!(taken("https://10.0.0.1:5000/v2/hub/", false).as_deref(), Some("https://10.0.0.1:5000/v2/hub"));
        assert_eq!(taken("http://mirror.example:80", true).as_deref(), Some("http://mirror.example:80"));
    }

    #[test]
    fn what_containerd_would_misread_is_refused() {
        let bad = [
            "mirror.example",
            "ftp://mirror.example",
            "https://",
            "https://mirror.example:0",
            "https://mirror.example:+5",
            "https://mirror.example?x",
            "https://mirror.example/a\"b",
            "https://mirror.example/../x",
            "https://mirror.example//x",
            "https://user:word@mirror.example",
            "https://Mirror.example",
            "http://mirror.example",
        ];
        for text in bad {
            assert_eq!(taken(text, false), None, "{text}");
        }
        assert_eq!(taken("https://mirror.example", true), None);
    }
}
