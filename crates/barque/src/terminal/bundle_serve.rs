//! Words of `barque bundle serve`.

use std::fmt::Write as _;
use std::net::SocketAddr;

use barque_oci::serve::{Service, Told};
use jiff::Timestamp;

use super::{many, plain};

/// More of a request's target is no use in a log.
const TARGET: usize = 300;

/// What is served where, and by which certificate it is known.
pub(crate) fn serving(service: &Service, address: SocketAddr, fingerprint: &str, authority: Option<&str>) -> String {
    let Service { bundle, catalog, users } = service;
    let (root, images) = (bundle.root().display(), many(catalog.images(), "image"));
    let mut text = format!("serving bundle `{root}` ({}, {images}) at https://{address}\n", bundle.digest());
    let whose = if authority.is_some() { "made for this run" } else { "yours" };
    let _ = writeln!(text, "  certificate  {whose}, SHA-256 {fingerprint}");
    if let Some(path) = authority.filter(|path| !path.is_empty()) {
        let _ = writeln!(text, "  authority    {path}");
    }
    let _ = writeln!(text, "  users        {}", if users.is_some() { "those of --htpasswd" } else { "everybody" });
    let hosts: Vec<&str> = catalog.hosts().into_iter().collect();
    if !hosts.is_empty() {
        let _ = writeln!(text, "  mirrors      {}", hosts.join(", "));
    }
    plain(text.trim_end())
}

/// A line of the log.
pub(crate) fn told(told: &Told, now: Timestamp) -> String {
    match told {
        Told::Answered { peer, user, method, target, status, size } => {
            let user = user.as_deref().unwrap_or("-");
            let target: String = target.chars().take(TARGET).collect();
            plain(&format!(
                "{now:.3} {peer} {user} {method} {target} {status} {}",
                many(usize::try_from(*size).unwrap_or(usize::MAX), "byte")
            ))
        }
        Told::Broken { peer, why } => {
            let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
            plain(&format!("{now:.3} {peer} {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_for_a_request() {
        let now: Timestamp = "2026-11-27T06:00:00.25Z".parse().unwrap();
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let answered =
            Told::Answered { peer, user: Some("puller".into()), method: "GET".into(), target: "/v2/".into(), status: 200, size: 2 };
        assert_eq!(told(&answered, now), "2026-11-27T06:00:00.250Z 192.0.2.7:4711 puller GET /v2/ 200 2 bytes");
        let broken = Told::Broken { peer: Some(peer), why: "TLS: unknown CA\u{1b}[31m".into() };
        assert!(!told(&broken, now).contains('\u{1b}'));
    }
}
